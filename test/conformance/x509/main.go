// Reads certificates with Go's crypto/x509 and says what it found: one JSON request on standard
// input, one JSON answer on standard output. It judges nothing; the test compares.
package main

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"time"
)

type request struct {
	Roots         [][]byte  `json:"roots"`
	Intermediates [][]byte  `json:"intermediates"`
	Certificates  [][]byte  `json:"certificates"`
	At            time.Time `json:"at"`
}

type facts struct {
	Error              string   `json:"error,omitempty"`
	VerifyError        string   `json:"verifyError"`
	ChainLength        int      `json:"chainLength"`
	SerialNumber       string   `json:"serialNumber"`
	SignatureAlgorithm string   `json:"signatureAlgorithm"`
	PublicKeyAlgorithm string   `json:"publicKeyAlgorithm"`
	PublicKey          string   `json:"publicKey"`
	Organization       []string `json:"organization"`
	CommonName         string   `json:"commonName"`
	NotBefore          int64    `json:"notBefore"`
	NotAfter           int64    `json:"notAfter"`
	URIs               []string `json:"uris"`
	DNSNames           []string `json:"dnsNames"`
	OtherNames         int      `json:"otherNames"`
	IsCA               bool     `json:"isCA"`
	MaxPathLen         int      `json:"maxPathLen"`
	KeyUsage           int      `json:"keyUsage"`
	ExtKeyUsage        []int    `json:"extKeyUsage"`
	SubjectKeyID       string   `json:"subjectKeyId"`
	AuthorityKeyID     string   `json:"authorityKeyId"`
	Critical           []string `json:"critical"`
	Unhandled          int      `json:"unhandled"`
}

func main() {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fail(err)
	}
	options := x509.VerifyOptions{
		Roots:         pool(asked.Roots),
		Intermediates: pool(asked.Intermediates),
		CurrentTime:   asked.At,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	answers := make([]facts, 0, len(asked.Certificates))
	for _, der := range asked.Certificates {
		answers = append(answers, read(der, options))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fail(err)
	}
}

func read(der []byte, options x509.VerifyOptions) facts {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return facts{Error: err.Error()}
	}
	found := facts{
		SerialNumber:       hex.EncodeToString(certificate.SerialNumber.Bytes()),
		SignatureAlgorithm: certificate.SignatureAlgorithm.String(),
		PublicKeyAlgorithm: certificate.PublicKeyAlgorithm.String(),
		PublicKey:          hex.EncodeToString(certificate.RawSubjectPublicKeyInfo),
		Organization:       certificate.Subject.Organization,
		CommonName:         certificate.Subject.CommonName,
		NotBefore:          certificate.NotBefore.UnixMilli(),
		NotAfter:           certificate.NotAfter.UnixMilli(),
		DNSNames:           certificate.DNSNames,
		OtherNames:         len(certificate.IPAddresses) + len(certificate.EmailAddresses),
		IsCA:               certificate.IsCA,
		MaxPathLen:         certificate.MaxPathLen,
		KeyUsage:           int(certificate.KeyUsage),
		SubjectKeyID:       hex.EncodeToString(certificate.SubjectKeyId),
		AuthorityKeyID:     hex.EncodeToString(certificate.AuthorityKeyId),
		Unhandled:          len(certificate.UnhandledCriticalExtensions),
	}
	for _, uri := range certificate.URIs {
		found.URIs = append(found.URIs, uri.String())
	}
	for _, usage := range certificate.ExtKeyUsage {
		found.ExtKeyUsage = append(found.ExtKeyUsage, int(usage))
	}
	for _, extension := range certificate.Extensions {
		if extension.Critical {
			found.Critical = append(found.Critical, extension.Id.String())
		}
	}
	chains, err := certificate.Verify(options)
	if err != nil {
		found.VerifyError = err.Error()
	} else {
		found.ChainLength = len(chains[0])
	}
	return found
}

func pool(certificates [][]byte) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, der := range certificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			fail(err)
		}
		pool.AddCert(certificate)
	}
	return pool
}

func fail(err error) {
	os.Stderr.WriteString(err.Error() + "\n")
	os.Exit(1)
}
