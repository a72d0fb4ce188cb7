// Command go-verify says whether Go's own X.509 verifier, the one in dockerd, containerd, podman and skopeo, accepts a
// chain of certificates for a host.
//
//	go-verify root.pem chain.pem host
//
// chain.pem holds what a server sends: its own certificate first. Prints "ok" and exits 0, or prints the reason and exits 1.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go-verify root.pem chain.pem host")
		os.Exit(2)
	}
	if err := verify(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

func verify(rootFile, chainFile, host string) error {
	roots, err := readCertificates(rootFile)
	if err != nil {
		return err
	}
	chain, err := readCertificates(chainFile)
	if err != nil {
		return err
	}
	// Go 1.23 and newer refuse this while parsing; older ones would let it pass.
	if chain[0].SerialNumber.Sign() <= 0 {
		return errors.New("the serial number is not positive")
	}
	_, err = chain[0].Verify(x509.VerifyOptions{
		DNSName:       host,
		Roots:         pool(roots),
		Intermediates: pool(chain[1:]),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

func readCertificates(file string) ([]*x509.Certificate, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return certificates, nil
}

func pool(certificates []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate)
	}
	return pool
}
