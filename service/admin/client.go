package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// mostAnswer bounds what a client reads.
const mostAnswer = 64 << 20

// A Client asks an admin server. Close frees its connection.
type Client struct {
	http  http.Client
	url   string
	token string
}

// NewClient returns a client of the server at a unix socket, or where it is no path but
// HOST:PORT there, with its token. It connects when something is asked.
func NewClient(at, token string) *Client {
	c := &Client{url: "http://" + at, token: token}
	c.http.Transport = &http.Transport{} // of its own: no proxy of the environment gets the token
	if !IsHostPort(at) {
		c.url = "http://localhost"
		c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", at)
		}}
	}
	return c
}

// IsHostPort tells HOST:PORT from the path of a socket, which may have a colon too.
func IsHostPort(at string) bool {
	_, _, err := net.SplitHostPort(at)
	return err == nil && !strings.Contains(at, "/")
}

// Close frees what the client holds.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get asks for the value at a path of the API, as "/v1/status".
func (c *Client) Get(ctx context.Context, path string, value any) error {
	return c.ask(ctx, http.MethodGet, path, nil, value)
}

// Post asks for a change, with fields as the API names them.
func (c *Client) Post(ctx context.Context, path string, fields map[string]string) error {
	body, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return c.ask(ctx, http.MethodPost, path, body, nil)
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte, value any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	a, err := c.http.Do(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return op // without the URL, which nobody typed
		}
		return err
	}
	defer a.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(a.Body, mostAnswer))
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		var failed struct{ Error string }
		if json.Unmarshal(answer, &failed) != nil || failed.Error == "" {
			return fmt.Errorf("what answers is not an admin server of zocalo: it says %s", a.Status)
		}
		return errors.New(failed.Error)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(answer, value)
}
