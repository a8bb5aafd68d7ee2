package connect

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zocalo/layer/internal/prefix"
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// longestHead bounds the head of a request or an answer.
const longestHead = 16 << 10

// mostInterim bounds the interim answers (1xx) before the final one.
const mostInterim = 10

// A client asks a proxy to connect to a destination.
type client struct {
	proxy.Client
	headers []string
}

// connect asks the proxy at the other end of a connection.
func (c *client) connect(ctx context.Context, lower *socket.Socket) (*socket.Socket, error) {
	return lower, prefix.Within(ctx, lower, func() error {
		if _, err := io.WriteString(lower, c.request()); err != nil {
			return err
		}
		r := prefix.NewReader(lower)
		for range mostInterim + 1 {
			head, err := r.Until(longestHead, "\n\r\n", "\n\n")
			if err != nil {
				return notHTTP(head, err)
			}
			a, err := parseAnswer(string(head))
			switch {
			case err != nil:
				return err
			case a.code >= 200 && a.code < 300:
				return nil
			case a.code >= 200:
				return c.refused(a, lower, r)
			}
		}
		return fmt.Errorf("the proxy sent more than %d interim answers", mostInterim)
	})
}

func (c *client) request() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %v HTTP/1.1\r\nHost: %[1]v\r\n", c.To)
	if c.User != "" {
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password)))
	}
	for _, h := range c.headers {
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n"
}

// notHTTP explains an answer that did not end.
func notHTTP(head []byte, err error) error {
	if len(head) > 0 && !strings.HasPrefix(string(head), "HTTP/"[:min(5, len(head))]) {
		return fmt.Errorf("the answer is not HTTP, it begins with %.40q: is that the proxy's port?", head)
	}
	return err
}

// An answer is the head of an HTTP response.
type answer struct {
	code   int
	status string // with the code
	length int    // of the body; -1 if it ends with the connection
}

func parseAnswer(head string) (a answer, err error) {
	line, rest, _ := strings.Cut(head, "\n")
	version, status, _ := strings.Cut(strings.TrimRight(line, "\r"), " ")
	digits, _, _ := strings.Cut(status, " ")
	a.status, a.length = status, -1
	a.code, err = strconv.Atoi(digits)
	if err != nil || len(digits) != 3 || !strings.HasPrefix(version, "HTTP/1.") {
		return a, fmt.Errorf("the answer is not HTTP, it begins with %.40q: is that the proxy's port?", line)
	}
	if text, ok := find(rest, "Content-Length"); ok {
		if n, err := strconv.Atoi(text); err == nil && n >= 0 {
			a.length = n
		}
	}
	return a, nil
}

// find returns the value of a header.
func find(headers, name string) (value string, ok bool) {
	for line := range strings.Lines(headers) {
		if n, v, found := strings.Cut(line, ":"); found && strings.EqualFold(n, name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// How long to wait for the body of a refusal, and how much of it to read.
const (
	bodyTime = time.Second
	bodyRead = 4 << 10
)

// errnos are what a direct connection would have said.
var errnos = map[int]syscall.Errno{403: syscall.EACCES, 502: syscall.ECONNREFUSED, 503: syscall.EHOSTUNREACH, 504: syscall.ETIMEDOUT}

func (c *client) refused(a answer, s *socket.Socket, r *prefix.Reader) error {
	s.SetReadDeadline(time.Now().Add(bodyTime))
	most := bodyRead
	if a.length >= 0 {
		most = min(most, a.length)
	}
	body, _ := io.ReadAll(io.LimitReader(r, int64(most)))
	said := strconv.Quote(a.status)
	if text := prefix.Plain(string(body)); !strings.Contains(a.status, text) {
		said += ": " + strconv.Quote(text)
	}
	switch {
	case a.code == 407 && c.User != "":
		return fmt.Errorf("the proxy did not accept the password of user %q (%s)", c.User, said)
	case a.code == 407:
		return errors.New("the proxy requires authentication (" + said + "): add user= and password-file=")
	}
	return &proxy.RefusedError{To: c.To, Answer: "it answered " + said, Errno: errnos[a.code]}
}
