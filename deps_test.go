package zocalo_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What is heavy comes with what needs it, and not with a socket.
func TestWeight(t *testing.T) {
	list, err := exec.Command("go", "list", "-deps", "zocalo", "zocalo/socket", "zocalo/address", "zocalo/frame").Output()
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	packages := strings.Fields(string(list))
	for _, heavy := range []string{"crypto/tls", "net/http", "regexp", "encoding/json", "log/slog", "github.com/quic-go/quic-go"} {
		if slices.Contains(packages, heavy) {
			t.Errorf("whoever imports zocalo links %s", heavy)
		}
	}
}
