module signet.dev/conformance/x509

go 1.24
