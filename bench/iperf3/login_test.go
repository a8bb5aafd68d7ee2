package iperf3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/bench"
	"zocalo/internal/testenv"
)

// credentials are files as people make them for iperf3.
type credentials struct{ private, public, users, password string }

func newCredentials(t *testing.T) (c credentials, key *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte("{mario}rossi"))
	return credentials{
		private:  write("private.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))),
		public:   write("public.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))),
		users:    write("users.csv", fmt.Sprintf("# who may measure\nluigi,00\nmario,%x\n", hash)),
		password: write("password", "rossi\n"),
	}, key
}

// withLogin is an iperf3 that was built with it.
func withLogin(t *testing.T) {
	t.Helper()
	out, err := exec.Command(testenv.Program(t, "iperf3"), "--version").Output()
	if err != nil || !strings.Contains(string(out), "authentication") {
		t.Skip("this iperf3 has no authentication")
	}
}

// Our client tells its user to the stock server, which serves it, and no other.
func TestLoginToStock(t *testing.T) {
	withLogin(t)
	c, _ := newCredentials(t)
	run := func(password string, with string) error {
		t.Helper()
		server := stockServer(t, "--rsa-private-key-path", c.private, "--authorized-users-path", c.users)
		text := "iperf3:" + strings.TrimPrefix(server.address, "tcp:") + ",bytes=1MB"
		if password != "" {
			path := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
				t.Fatal(err)
			}
			text += ",user=mario,password-file=" + path + ",public-key=" + c.public + with
		}
		client, err := ParseClient(text)
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.Run(t.Context())
		if err == nil && r.Far.Received().Bytes != 1e6 {
			t.Errorf("%+v", r.Far)
		}
		return err
	}
	// Those from 3.17 on want OAEP, those before the other.
	with := ",pkcs1"
	if err := run("rossi", with); errors.Is(err, errLogin) {
		with = ""
		err = run("rossi", with)
		if err != nil {
			t.Errorf("the right password: %v", err)
		}
	} else if err != nil {
		t.Errorf("the right password: %v", err)
	}
	if err := run("bianchi", with); !errors.Is(err, errLogin) {
		t.Errorf("a wrong password: %v", err)
	}
	if err := run("", ""); err == nil || !strings.Contains(err.Error(), "user=, password-file=") {
		t.Errorf("without a user: %v", err)
	}
}

// The stock client tells its user to our server.
func TestStockLogin(t *testing.T) {
	withLogin(t)
	c, key := newCredentials(t)
	s := &Server{Users: &Users{Key: key, File: c.users, PKCS1: true}}
	n, told := serveOn(t, s, "tcp:127.0.0.1:0")
	run := func(password string, args ...string) error {
		t.Helper()
		t.Setenv("IPERF3_PASSWORD", password)
		_, err := stockClient(t, n, append([]string{"-n", "1M"}, args...)...)
		return err
	}
	user := []string{"--username", "mario", "--rsa-public-key-path", c.public}
	if err := run("rossi", user...); err != nil {
		if strings.Contains(next(t, told).err.Error(), "another padding") {
			s.Users.PKCS1 = false // from 3.17 on
			err = run("rossi", user...)
		}
		if err != nil {
			t.Fatalf("the right password: %v", err)
		}
	}
	if e := next(t, told); e.err != nil || e.report == nil {
		t.Errorf("of the right password: %+v", e)
	}
	for why, try := range map[string]func() error{
		"user or password is wrong": func() error { return run("bianchi", user...) },
		"no user was given":         func() error { return run("") },
		"is not 64 hexadecimal":     func() error { return run("rossi", append([]string{"--username", "luigi"}, user[2:]...)...) },
	} {
		err := try()
		if err == nil || !strings.Contains(err.Error(), "authorization failed") {
			t.Errorf("%s: the client hears %v", why, err)
		}
		if e := next(t, told); e.report != nil || e.err == nil || !strings.Contains(e.err.Error(), why) {
			t.Errorf("%s: the server says %+v", why, e)
		}
	}
}

// What a client tells is what the server checks, with either padding, while the clocks agree.
func TestLogin(t *testing.T) {
	c, key := newCredentials(t)
	_, other := newCredentials(t)
	now := time.Now()
	token := func(l Login) string {
		t.Helper()
		l.Key = &key.PublicKey
		text, err := l.token(now)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	odd := "rossi\nts:   7" // which is in no user's way
	for _, pkcs1 := range []bool{false, true} {
		u := &Users{Key: key, File: c.users, PKCS1: pkcs1}
		good := token(Login{User: "mario", Password: "rossi", PKCS1: pkcs1})
		if user, err := u.check(good, now); err != nil || user != "mario" {
			t.Errorf("the right one: %q, %v", user, err)
		}
		if _, _, at, ok := parseLogin("user: a\npwd:  " + odd + "\nts:   8"); !ok || at != 8 {
			t.Errorf("a password with odd lines: %d, %t", at, ok)
		}
		for what, wrong := range map[string]struct {
			token string
			at    time.Time
			users Users
		}{
			"old":           {good, now.Add(time.Minute), *u},
			"of the future": {good, now.Add(-time.Minute), *u},
			"another key":   {good, now, Users{Key: other, File: c.users, PKCS1: pkcs1}},
			"other padding": {good, now, Users{Key: key, File: c.users, PKCS1: !pkcs1}},
			"no file":       {good, now, Users{Key: key, File: "/nonexistent", PKCS1: pkcs1}},
			"no user":       {token(Login{User: "peach", Password: "rossi", PKCS1: pkcs1}), now, *u},
			"bad hash":      {token(Login{User: "luigi", PKCS1: pkcs1}), now, *u},
			"none":          {"", now, *u},
			"no base64":     {"!", now, *u},
			"junk":          {"AAAA", now, *u},
		} {
			if user, err := wrong.users.check(wrong.token, wrong.at); err == nil {
				t.Errorf("%s is let in as %q", what, user)
			}
		}
		if _, err := (&Users{Key: key, File: c.users, PKCS1: pkcs1, Skew: 2 * time.Minute}).check(good, now.Add(time.Minute)); err != nil {
			t.Errorf("within the skew: %v", err)
		}
	}
	for _, name := range []string{c.users, c.private, "/nonexistent"} {
		if _, err := ReadPublicKey(name); err == nil {
			t.Errorf("%s is a public key", name)
		}
	}
	if _, err := ReadPrivateKey(c.public); err == nil {
		t.Error("a public key is a private one")
	}
	if _, err := (&Login{User: strings.Repeat("x", 300), Key: &key.PublicKey}).token(now); err == nil {
		t.Error("what is too long for the key is encrypted")
	}
}

// A server's bounds hold for the stock client: more is refused, what has no bound of its own is kept to them.
func TestStockBounds(t *testing.T) {
	const most = 40_000_000
	n, told := serveOn(t, &Server{MaxTime: 2 * time.Second, MaxRate: most}, "tcp:127.0.0.1:0")
	for args, want := range map[string]string{
		"-t 3": "", "-t 1 -O 2": "", "-t 1 -b 100M": "", "-u -t 1 -b 50M": "", "-t 1 -P 2 -b 30M": "",
	} {
		s, err := stockClient(t, n, strings.Fields(args)...)
		if err == nil {
			t.Errorf("%s is served: %+v", args, s.End.Sent)
		}
		if e := next(t, told); e.report != nil || e.err == nil || !strings.Contains(e.err.Error(), want) {
			t.Errorf("%s: the server says %+v", args, e)
		}
	}
	for _, args := range []string{"-t 2", "-t 2 -R", "-t 2 -P 2", "-u -t 1 -b 1M -l 1000", "-n 1M"} {
		s, err := stockClient(t, n, strings.Fields(args)...)
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		e := next(t, told)
		if e.err != nil || e.report == nil {
			t.Errorf("%s: the server says %+v", args, e)
			continue
		}
		// Buffers at both ends are filled beside what is read.
		if got, limit := float64(s.End.Received.Bytes)*8, (s.End.Received.Seconds+0.5)*most; got > limit {
			t.Errorf("%s: %.0f bits came in %.2f s", args, got, s.End.Received.Seconds)
		}
	}
	// One without an end is ended.
	if _, err := stockClient(t, n, "-n", "1G"); err == nil {
		t.Error("a gigabyte was taken in 2 s")
	}
	if e := next(t, told); e.report == nil || e.err == nil || !strings.Contains(e.err.Error(), "lasts at most 2 s") {
		t.Errorf("the server says %+v", e)
	}
}

// A server for one test ends after it, and not after who only looked in.
func TestOnce(t *testing.T) {
	n, told := serveOn(t, &Server{Once: true}, "tcp:127.0.0.1:0")
	knock, err := net.Dial("tcp", n.String())
	if err != nil {
		t.Fatal(err)
	}
	knock.Close()
	r, err := (&Client{Address: parsed("tcp:" + n.String()), Test: Test{Bytes: 1 << 20}}).Run(t.Context())
	if err != nil || r.Far == nil {
		t.Fatal(err)
	}
	next(t, told)
	for { // once the listener is closed
		c, err := (&Client{Address: parsed("tcp:" + n.String()), Test: Test{Bytes: 1}}).Run(t.Context())
		if err != nil {
			break
		}
		t.Errorf("another is served: %+v", c)
	}
}

// Flows leave from the ports that were asked for.
func TestFlowPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := zocalo.Dial(t.Context(), "tcp:"+l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	a := &attempt{control: control{near, patience}, client: &Client{}, test: Test{Flows: 2}}
	for first := 20000; ; first += 100 { // whichever is free
		a.client.FlowPort = first
		s, err := a.openFlow(t.Context(), 1)
		if errors.Is(err, syscall.EADDRINUSE) && first < 60000 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if got := int(s.Name().AddrPort().Port()); got != first+1 {
			t.Errorf("the second flow leaves from %d; want %d", got, first+1)
		}
		break
	}
	a.client.FlowPort = 65535
	if s, err := a.openFlow(t.Context(), 1); err == nil {
		s.Close()
		t.Error("there is a port 65536")
	}
}

// A test without an end is ended by its context, in order: both ends agree on what went.
func TestEndless(t *testing.T) {
	server := stockServer(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c := &Client{Address: parsed(server.address), Test: Test{Endless: true, Rate: rated, Interval: 100 * time.Millisecond}}
	c.OnInterval = func(i bench.Interval) {
		if i.End > time.Second {
			stop()
		}
	}
	r, err := c.Run(ctx)
	if err != nil || r.Interrupted {
		t.Fatalf("%+v, %v\n%s", r, err, server.output())
	}
	if problem := checkEnds(r); problem != "" {
		t.Log(problem) // the ends do not stop at the same moment
	}
	if r.Far.Received().Bytes == 0 || r.Elapsed < time.Second {
		t.Errorf("%+v", r.Far)
	}
}

// What a client sends is what openssl, and so iperf3, reads.
func TestTokenByOpenSSL(t *testing.T) {
	openssl := testenv.Program(t, "openssl")
	c, key := newCredentials(t)
	for padding, pkcs1 := range map[string]bool{"oaep": false, "pkcs1": true} {
		token, err := (&Login{User: "mario", Password: "rossi", Key: &key.PublicKey, PKCS1: pkcs1}).token(time.Unix(1700000000, 0))
		if err != nil {
			t.Fatal(err)
		}
		secret, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(openssl, "pkeyutl", "-decrypt", "-inkey", c.private, "-pkeyopt", "rsa_padding_mode:"+padding)
		cmd.Stdin = bytes.NewReader(secret)
		if out, err := cmd.Output(); err != nil || string(out) != "user: mario\npwd:  rossi\nts:   1700000000" {
			t.Errorf("%s: %q, %v", padding, out, err)
		}
	}
}
