package quic

import (
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/internal/sys"
)

// quic-go has what delivered and flushed look at. Where this fails after a new version of
// it came, closing waits for nothing, and what is sent last may be lost.
func TestFieldsOfQUICGo(t *testing.T) {
	for _, f := range []struct {
		of   any
		path []string
	}{
		{new(quicgo.Stream), []string{"sendStr"}},
		{new(quicgo.SendStream), []string{"mutex"}},
		{new(quicgo.SendStream), []string{"completed"}},
		{new(quicgo.Conn), []string{"datagramQueue"}},
	} {
		if !sys.Value(f.of, f.path...).IsValid() {
			t.Errorf("%T has no field %v", f.of, f.path)
		}
	}
}
