package proxyproto

import (
	"encoding/binary"
	"hash/crc32"

	"zocalo/socket"
)

// The types of TLVs.
const (
	typeALPN      = 0x01
	typeAuthority = 0x02
	typeCRC32C    = 0x03
	typeNoop      = 0x04
	typeUniqueID  = 0x05
	typeSSL       = 0x20
	typeVersion   = 0x21 // this and the following within SSL
	typeCN        = 0x22
	typeCipher    = 0x23
)

// The bits of the first byte of the TLV SSL.
const (
	clientSSL     = 1 << 0
	clientCert    = 1 << 1 // presented on this connection,
	clientCertWas = 1 << 2 // or on an earlier one of the session
)

// A meaning is the fact that a TLV becomes, with the variable of the layer tls.
type meaning struct {
	typ            byte
	name, variable string
}

var meanings = []meaning{
	{typeALPN, "alpn", "SSL_ALPN"}, {typeAuthority, "sni", "SSL_TLS_SNI"}, {typeUniqueID, "unique-id", "UNIQUE_ID"},
	{typeVersion, "version", "SSL_PROTOCOL"}, {typeCipher, "cipher", "SSL_CIPHER"}, {typeCN, "client-cn", "SSL_CLIENT_S_DN_CN"},
}

const (
	verifyVariable = "SSL_CLIENT_VERIFY"
	verified       = "SUCCESS"
)

// errChecksum is a header that was damaged.
var errChecksum = malformed("its checksum (CRC32C) is wrong")

// parseTLVs returns the facts in the TLVs of a header.
func parseTLVs(whole, tlvs []byte) (facts []socket.Fact, err error) {
	add := func(name, variable, value string) {
		facts = append(facts, socket.Fact{Layer: layer.Name, Name: name, Variable: variable, Value: value})
	}
	tell := func(typ byte, value []byte) {
		for _, m := range meanings {
			if m.typ == typ && len(value) > 0 { // haproxy sends an empty unique ID
				add(m.name, m.variable, string(value))
			}
		}
	}
	err = eachTLV(tlvs, func(typ byte, value, after []byte) error {
		switch {
		case typ == typeUniqueID && len(value) > 128:
			return malformed("its unique ID has %d bytes, more than the 128 that are allowed", len(value))
		case typ == typeCRC32C && (len(value) != 4 || binary.BigEndian.Uint32(value) != checksum(whole, len(whole)-len(after)-len(value))):
			return errChecksum
		case typ == typeSSL && len(value) < 5:
			return malformed("its TLV SSL has only %d bytes", len(value))
		case typ != typeSSL:
			tell(typ, value)
			return nil
		}
		client, verify := value[0], binary.BigEndian.Uint32(value[1:])
		if client&clientSSL == 0 {
			return nil
		}
		add("", "HTTPS", "on")
		switch {
		case client&(clientCert|clientCertWas) == 0:
			add("", verifyVariable, "NONE")
		case verify == 0:
			add("", verifyVariable, verified)
		default:
			add("", verifyVariable, "FAILED")
		}
		return eachTLV(value[5:], func(typ byte, value, _ []byte) error { tell(typ, value); return nil })
	})
	return facts, err
}

// eachTLV calls f for each TLV, with what follows it.
func eachTLV(tlvs []byte, f func(typ byte, value, after []byte) error) error {
	for len(tlvs) > 0 {
		if len(tlvs) < 3 || len(tlvs)-3 < int(binary.BigEndian.Uint16(tlvs[1:])) {
			return malformed("a TLV extends beyond its end")
		}
		end := 3 + int(binary.BigEndian.Uint16(tlvs[1:]))
		if err := f(tlvs[0], tlvs[3:end], tlvs[end:]); err != nil {
			return err
		}
		tlvs = tlvs[end:]
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns that of a whole header, in which the checksum itself, at at, counts as
// zeros.
func checksum(whole []byte, at int) uint32 {
	sum := crc32.Update(0, castagnoli, whole[:at])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, whole[at+4:])
}

// longestValue bounds a TLV that is sent, so that all of them fit.
const longestValue = 512

// appendTLVs appends what facts tell about a client's TLS.
func appendTLVs(b []byte, facts []socket.Fact) []byte {
	value := map[string]string{}
	for _, f := range facts {
		if _, has := value[f.Variable]; !has && len(f.Value) <= longestValue {
			value[f.Variable] = f.Value
		}
	}
	add := func(m meaning) {
		if v := value[m.variable]; v != "" {
			b = append(binary.BigEndian.AppendUint16(append(b, m.typ), uint16(len(v))), v...)
		}
	}
	for _, m := range meanings[:3] {
		add(m)
	}
	if value["SSL_PROTOCOL"] == "" {
		return b
	}
	begin := len(b)
	client, verify := byte(clientSSL), uint32(1)
	if value[verifyVariable] == verified {
		client, verify = client|clientCert|clientCertWas, 0
	}
	b = append(b, typeSSL, 0, 0, client)
	b = binary.BigEndian.AppendUint32(b, verify)
	for _, m := range meanings[3:] {
		add(m)
	}
	binary.BigEndian.PutUint16(b[begin+1:], uint16(len(b)-begin-3))
	return b
}
