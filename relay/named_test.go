package relay_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"zocalo/address"
	"zocalo/relay"
	"zocalo/socket"
)

// asking is the endpoint of a peer that asks for a name.
type asking struct {
	socket.Endpoint
	facts []socket.Fact
}

func (a asking) Facts() []socket.Fact { return a.facts }

func TestByName(t *testing.T) {
	names := strings.Fields("example.org *.lab *.db.lab a.db.lab default example.org/h2 */acme-tls/1 example.org")
	var to []address.Address
	for _, n := range names {
		a, err := address.Parse("unix:/" + strings.ReplaceAll(n, "/", ":"))
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, a)
	}
	route := relay.ByName(names)
	for ask, want := range map[string]string{
		"example.org":               "example.org example.org",
		"EXAMPLE.org.":              "example.org example.org",
		"example.org h2":            "example.org:h2",
		"example.org http/1.1 h2":   "example.org:h2",
		"example.org http/1.1":      "example.org example.org",
		"www.example.org":           "default",
		"notexample.org h2":         "default",
		"a.lab":                     "*.lab",
		"lab":                       "default",
		"xlab":                      "default",
		"b.db.lab":                  "*.db.lab",
		"c.b.db.lab":                "*.db.lab",
		"a.db.lab":                  "a.db.lab",
		"other acme-tls/1":          "*:acme-tls:1",
		"":                          "default",
		" acme-tls/1":               "default",
		"default":                   "default",
		"*.lab":                     "*.lab",
		"example.org acme-tls/1 h3": "example.org example.org",
	} {
		name, protocols, _ := strings.Cut(ask, " ")
		facts := []socket.Fact{{Name: "sni", Value: name}}
		for _, p := range strings.Fields(protocols) {
			facts = append(facts, socket.Fact{Name: "alpn", Value: p})
		}
		p := &relay.Peer{Socket: socket.Wrap(asking{facts: facts}, socket.Kind{})}
		chosen, err := route(context.Background(), p, to)
		var got []string
		for _, a := range chosen {
			got = append(got, strings.TrimPrefix(a.Endpoint, "/"))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v, want %q", ask, got, err, want)
		}
	}
	_, err := relay.ByName([]string{"a"})(context.Background(), &relay.Peer{}, to)
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("without a default: %v", err)
	}
}
