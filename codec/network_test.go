package codec

import (
	"errors"
	"testing"
)

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.0.0.1": "10.0.0.1", "10.0.0.1/32": "10.0.0.1", "fd00::/8": "fd00::/8",
		"::ffff:10.0.0.1": "10.0.0.1", "::ffff:10.0.0.0/104": "10.0.0.0/8",
	} {
		p, err := ParseNetwork(text)
		if err != nil || FormatNetwork(p) != want {
			t.Errorf("%s is %v, %v; want %s", text, p, err, want)
		}
	}
	for _, bad := range []string{"", "db", "10.0.0.0/33", "fe80::1%eth0", "fe80::%eth0/10"} {
		if p, err := ParseNetwork(bad); !errors.Is(err, ErrNoNetwork) {
			t.Errorf("%q is %v, %v", bad, p, err)
		}
	}
	if p, err := ParseNetwork("10.0.0.1/8"); err == nil || errors.Is(err, ErrNoNetwork) {
		t.Errorf("bits beyond the prefix: %v, %v", p, err)
	}
}
