/** 0 before the first release, 1 soon after, 2 later. */
export type Priority = 0 | 1 | 2;

export interface ThreatCase {
  readonly id: string;
  readonly priority: Priority;
  readonly title: string;
}

function section(prefix: string, rows: readonly (readonly [Priority, string])[]): ThreatCase[] {
  const digits = prefix === 'W' ? 1 : 2;
  return rows.map(([priority, title], i) => ({ id: prefix + String(i + 1).padStart(digits, '0'), priority, title }));
}

/** What may go wrong or be done to a proxy like this one, by section. Tests name the rows they prove in their titles. */
export const CASES: readonly ThreatCase[] = [
  // A: what may be dialled, and by whom
  ...section('A', [
    [0, 'metadata, multicast and reserved addresses are never dialled'],
    [0, 'loopback and our own listeners are never dialled'],
    [0, 'other spellings of forbidden addresses'],
    [0, 'authorities that are none'],
    [0, 'a name that resolves to another address the second time'],
    [0, 'ports that are not for registries'],
    [0, 'an inner Host that is not the authority of the tunnel'],
    [0, 'absolute form inside the tunnel'],
    [0, 'CONNECT and TRACE inside the tunnel'],
    [0, 'absolute form at the proxy port'],
    [1, 'something else than TLS after the CONNECT'],
    [0, 'listening to the world without saying who may come'],
    [1, 'clients outside the allowed ranges, whatever they claim'],
    [1, 'a proxy whose upstream is itself'],
    [1, 'redirects to forbidden addresses'],
    [2, 'many CONNECTs to an address that never answers'],
  ]),
  // B: certificate authority, leaves, TLS with clients
  ...section('B', [
    [0, 'names that are properties of objects'],
    [0, 'names that are files'],
    [0, 'serial numbers'],
    [0, 'dates at the edges of calendars'],
    [0, 'a leaf that outlives its date'],
    [0, 'a CA near or past its end'],
    [0, 'modes of key and folder'],
    [0, 'two first starts at once'],
    [0, 'a crash while the CA is written'],
    [1, 'profile of the CA'],
    [1, 'profile of leaves'],
    [1, 'addresses as hosts'],
    [1, 'names at the edges of the grammar'],
    [0, 'a server name that is not the authority, or none'],
    [0, 'a fault while the secure context is made'],
    [0, 'ten thousand hosts'],
    [1, 'a flood of new hosts from one client'],
    [1, 'handshakes that stall, or are too old'],
    [1, 'clients that refuse our certificate'],
    [1, 'clients that pin or bring a certificate'],
    [1, 'rotation of the CA'],
    [2, 'theft of the key'],
    [2, 'clients that take RSA only'],
    [2, 'session tickets across hosts'],
  ]),
  // C: TLS with upstreams
  ...section('C', [
    [0, 'a leaf out of its time'],
    [0, 'a leaf of another host'],
    [0, 'chains that end nowhere'],
    [0, 'a leaf signed by our own CA'],
    [1, 'chains that break the rules for authorities'],
    [1, 'weak keys, digests and versions'],
    [1, 'revoked leaves'],
    [0, 'verification switched off by the environment'],
    [1, 'odd and huge lists of names'],
    [1, 'a certificate that changes in the session'],
    [1, 'further roots beside the system’s'],
    [1, 'sessions reused across hosts'],
    [1, 'no ALPN, or HTTP/2 only'],
    [2, 'a handshake that is never answered'],
  ]),
  // D: parsing, smuggling and limits
  ...section('D', [
    [0, 'two Hosts, or one that is none'],
    [0, 'two Authorizations'],
    [0, 'thousands of headers'],
    [0, 'a body where none belongs'],
    [1, 'framings that two readers read in two ways'],
    [1, 'upgrades'],
    [1, 'paths with more than one reading'],
    [1, 'hop-by-hop headers, and ones that pose as such'],
    [0, 'lines that are too long'],
    [0, 'clients that are too slow'],
    [1, 'thousands of tunnels from one client'],
    [1, 'pipelined requests, a bad one among them'],
    [1, 'expectations'],
    [1, 'header names that are properties of objects'],
    [1, 'bodies where an answer has none'],
    [1, 'answers that are framed wrongly'],
    [1, 'answers with thousands of headers'],
    [1, 'statuses that nobody asked for'],
    [0, 'an answer without a request, waiting on a kept connection'],
    [2, 'the preface of HTTP/2'],
  ]),
  // E: private images
  ...section('E', [
    [0, 'a stranger asks for what is cached'],
    [0, 'another user’s valid credential'],
    [0, 'an evil host claims a victim’s digest'],
    [0, 'a repository of the attacker claims it, on the same host'],
    [0, 'a public repository as an oracle for a private digest'],
    [0, 'a right is taken away'],
    [0, 'a password is changed'],
    [0, 'a token expires'],
    [0, 'the registry is away when it is asked'],
    [0, 'an answer that is a page, or of another length or digest'],
    [1, 'registries that answer HEADs of blobs in their own ways'],
    [0, 'a restart'],
    [0, 'a stranger asks while the download runs'],
    [1, 'credentials in other headers and in queries'],
    [1, 'one digest in two repositories'],
    [1, 'a repository that is deleted or made private'],
    [1, 'manifests that can be read in two ways, deep or huge ones'],
    [1, 'spellings of one host'],
    [1, 'a flood of made-up credentials'],
    [2, 'content evicted and fetched again'],
    [2, 'a host name with a new owner'],
  ]),
  // F: credentials and logs
  ...section('F', [
    [0, 'credentials across redirects to another host'],
    [0, 'redirects to http, other ports and addresses'],
    [0, 'redirects in circles and to nowhere'],
    [0, 'secrets in logs, index, metrics, answers and file names'],
    [1, 'log fields that nobody listed'],
    [1, 'control characters and huge fields in the log'],
    [1, 'error pages that tell too much'],
    [1, 'tokens and pings are never stored'],
    [2, 'crash dumps and inspectors'],
  ]),
  // G: what is stored and given back
  ...section('G', [
    [0, 'a blob that is not its digest'],
    [0, 'a manifest that is not its digest'],
    [0, 'compressed on the way'],
    [0, 'parts for wholes and wholes for parts'],
    [0, 'ranges of what is stored'],
    [0, 'ranges of what is not stored'],
    [0, 'HEADs'],
    [0, 'one path on two hosts'],
    [1, 'digests of other kinds'],
    [1, 'a tag that moves or is deleted'],
    [1, 'types that a client takes'],
    [1, 'what is no pull'],
    [1, 'what answers say about caching'],
    [1, 'traffic that is no registry’s'],
    [1, 'headers that belong to one answer'],
    [2, 'empty, tiny and huge blobs'],
  ]),
  // K: the admin port
  ...section('K', [
    [0, 'the token'],
    [0, 'the admin port through the proxy'],
    [0, 'requests that another site makes a browser send'],
    [0, 'a name that points to the admin port'],
    [1, 'names with markup'],
    [1, 'long lists'],
    [1, 'the download of the CA'],
    [1, 'removal while pulls run'],
    [2, 'labels without end'],
  ]),
  // L: runtime and supply chain
  ...section('L', [
    [0, 'a Node that is too old'],
    [0, 'install scripts and the lockfile'],
    [1, 'versions with known holes'],
    [1, 'pollution of prototypes'],
    [2, 'signatures of packages'],
  ]),
  // W: weaknesses of the plain idea to ask the registry and remember its yes
  ...section('W', [
    [0, 'a registry says yes to any digest'],
    [0, 'a repository says yes to what its registry stores'],
    [0, 'a yes from something that is no registry'],
    [0, 'a yes that outlives the right'],
    [0, 'credentials that can be guessed from what is kept'],
    [0, 'two readings of one credential'],
    [0, 'no answer to the question'],
    [0, 'what the time of an answer tells'],
    [0, 'followers of somebody else’s download'],
    [0, 'a manifest in a type that was not asked for'],
    [0, 'rights from ambiguous manifests'],
    [0, 'content that its registry has deleted'],
    [0, 'documents that steer credentials elsewhere'],
    [0, 'rights finer than a repository'],
    [0, 'registries that refuse HEADs'],
    [0, 'a table of rights that grows without end'],
    [0, 'a host that changes hands'],
  ]),
];

/** Rows without a test of their own here, and why. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  B23: 'clients that take RSA only are not served: all that are known take P-256',
  K06: 'the admin port gives figures, and no lists yet',
  K08: 'nothing is removed while the proxy runs, but content that turns out to be damaged',
  L05: 'signatures of packages are checked where a release is made; no test may depend on a registry of packages',
};
