package socket

import "strings"

// A Fact is one thing that a layer knows of its connection once it stands, as the
// version of TLS that both ends agreed on.
type Fact struct {
	Layer    string // as "tls"
	Name     string // for people and JSON, as "version"; "" is not told
	Variable string // of a program that serves the connection, as "SSL_PROTOCOL"; "" is none
	Value    string // what is the peer's is as it came, whatever bytes that are
}

// CertificateName is the Name of a fact that is a name which the peer's certificate
// proves. There may be several.
const CertificateName = "cert"

// A NameProver is a listening endpoint with layers. It knows whether its peers must prove
// their names by certificates, as facts of [CertificateName].
type NameProver interface {
	ProvesNames() bool
}

// A Teller is an endpoint of a layer that has something to tell of its connection.
type Teller interface {
	Facts() []Fact
}

// Facts are what the layers of a connection tell, the outermost first.
type Facts []Fact

// String returns them in one line for people: "tls version TLSv1.3, cipher ...".
func (facts Facts) String() string {
	var b strings.Builder
	layer := ""
	for _, f := range facts {
		if f.Name == "" {
			continue
		}
		switch {
		case f.Layer != layer && layer != "":
			b.WriteString("; " + f.Layer + " ")
		case f.Layer != layer:
			b.WriteString(f.Layer + " ")
		default:
			b.WriteString(", ")
		}
		layer = f.Layer
		b.WriteString(f.Name + " " + f.Value)
	}
	return b.String()
}

// Facts returns what all layers of a connection tell, the outermost first.
func (s *Socket) Facts() (all Facts) {
	for e := s.endpoint; e != nil; {
		if t, ok := e.(Teller); ok {
			all = append(all, t.Facts()...)
		}
		switch over := e.(type) {
		case *Socket:
			e = over.endpoint
		case Wrapper:
			e = over.Unwrap()
		case Layer:
			e = over.Lower()
		default:
			return all
		}
	}
	return all
}
