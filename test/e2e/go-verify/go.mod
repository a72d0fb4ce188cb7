module entrepot.test/go-verify

go 1.19
