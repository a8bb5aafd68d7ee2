package address_test

import (
	"testing"

	"zocalo/address"
)

// The spellings of socat that people have in their fingers, and what they are
// here.
func TestSocatSpellings(t *testing.T) {
	for text, want := range map[string]string{
		"TCP-LISTEN:8080,fork,reuseaddr":          "tcp-listen:8080,fork,reuseaddr",
		"TCP4-LISTEN:8080,bind=127.0.0.1":         "tcp4-listen:8080,bind=127.0.0.1",
		"TCP-L:8080":                              "tcp-listen:8080",
		"TCP6-CONNECT:[::1]:80,connect-timeout=5": "tcp6-connect:[::1]:80,connect-timeout=5s",
		"TCP:host:80,tcp-nodelay":                 "tcp:host:80,nodelay",
		"TCP:host:80,nodelay=1,so-keepalive":      "tcp:host:80,nodelay,keepalive",
		"UDP-LISTEN:53,fork":                      "udp-listen:53,fork",
		"UDP4:host:53,bind=:5353":                 "udp4:host:53,bind=:5353",
		"UNIX-LISTEN:/run/x,mode=0660,backlog=9":  "unix-listen:/run/x,mode=0660,backlog=9",
		"UNIX-CONNECT:/x":                         "unix-connect:/x",
		"UNIX-L:/x":                               "unix-listen:/x",
		"-":                                       "stdio",
		"STDIO":                                   "stdio",
	} {
		t.Run(text, func(t *testing.T) {
			a, err := address.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if a.String() != want {
				t.Errorf("Parse(%q) prints %q; want %q", text, a, want)
			}
			roundTrip(t, a)
		})
	}
}
