package service_test

import (
	"path/filepath"
	"slices"
	"testing"

	_ "zocalo/layer/tls"
)

// A sandbox allows what metrics, access logs and checks take.
func TestNeedsOfObservers(t *testing.T) {
	dir := t.TempDir()
	n, err := config(t, `
metrics = "127.0.0.1:9100"
[service.a]
from = "tcp-listen:127.0.0.1:8080"
to = ["tcp:127.0.0.1:1", "tcp:127.0.0.1:2"]
check = "tls"
check-port = 3
access-log = "`+filepath.Join(dir, "log")+`"
[service.b]
verb = "echo"
from = "tcp:127.0.0.1:8081"
access-log = "syslog:tcp:127.0.0.1:514"
`).Needs()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(n.Bind)
	slices.Sort(n.Connect)
	if !slices.Equal(n.Bind, []uint16{8080, 8081, 9100}) || !slices.Equal(n.Connect, []uint16{1, 2, 3, 514}) || !slices.Contains(n.Write, dir) {
		t.Errorf("it needs %+v", n)
	}
}
