package tls

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// A script is a server whose lines are there already.
type script struct {
	io.Reader
	said strings.Builder
}

func (s *script) Write(b []byte) (int, error) { return s.said.Write(b) }

// Whatever a server says before TLS begins, the client takes no more of it than a
// thousand lines, and either goes on or has an error.
func FuzzStartTLS(f *testing.F) {
	f.Add("smtp", "220 mail\r\n250-mail\r\n250 STARTTLS\r\n220 go on\r\n")
	f.Add("imap", "* OK ready\r\na1 OK begin\r\n")
	f.Add("pop3", "+OK ready\r\n+OK begin\r\n")
	f.Add("postgres", "S")
	f.Add("postgres", "N")
	f.Add("smtp", strings.Repeat("220-\n", 2000))
	f.Fuzz(func(t *testing.T, protocol, says string) {
		start, known := starters[protocol]
		if !known {
			return
		}
		s := &script{Reader: strings.NewReader(says + "\x16\x03\x01")}
		err := start(&lineReader{s})
		if err == nil {
			rest, _ := io.ReadAll(s)
			if !strings.HasSuffix(string(rest), "\x03\x01") && !strings.Contains(says, "\x16") {
				t.Errorf("bytes of TLS were taken: %q is left", rest)
			}
		} else if errors.Is(err, io.EOF) && s.said.Len() > 4096 {
			t.Errorf("%d bytes were said to a server that said little", s.said.Len())
		}
	})
}
