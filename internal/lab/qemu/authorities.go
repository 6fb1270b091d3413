package qemu

import (
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
)

// certificateX509 is EFI_CERT_X509_GUID, a5c059a1-94e4-4aa7-87b5-ab155c2bf072 (UEFI 2.10 §32.4.1), in a GUID's mixed byte order.
var certificateX509 = [16]byte{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72}

// The parts of an EFI_SIGNATURE_LIST (UEFI 2.10 §32.4.1): the header with its three sizes, and the owner before each signature.
const (
	signatureListHeader = 16 + 3*4
	signatureOwner      = 16
)

// SignatureLists is a PEM bundle of CAs in the form in which OVMF takes the authorities of HTTPS boot from QEMU (the file etc/edk2/https/cacerts): one
// EFI_SIGNATURE_LIST for each, owned by nobody.
func SignatureLists(bundle []byte) ([]byte, error) {
	var out []byte
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("authorities of HTTPS boot: PEM block %q: want certificates only", block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("authorities of HTTPS boot: %w", err)
		}
		size := signatureOwner + len(block.Bytes)
		out = append(out, certificateX509[:]...)
		for _, n := range []int{signatureListHeader + size, 0, size} {
			out = binary.LittleEndian.AppendUint32(out, uint32(n))
		}
		out = append(append(out, make([]byte, signatureOwner)...), block.Bytes...)
	}
	if out == nil {
		return nil, fmt.Errorf("authorities of HTTPS boot: no certificate in %d bytes of PEM", len(bundle))
	}
	return out, nil
}
