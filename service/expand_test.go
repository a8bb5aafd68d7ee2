package service_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zocalo/service"
)

// The folder of credentials stands in addresses, and nothing else does.
func TestCredentials(t *testing.T) {
	text := "[service.e]\nverb = \"echo\"\nfrom = \"unix:${CREDENTIALS_DIRECTORY}/s\"\n"
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := service.Parse("f.toml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "f.toml:3:8: e: ${CREDENTIALS_DIRECTORY} is not set") {
		t.Errorf("%v", err)
	}
	dir := filepath.Join(t.TempDir(), "a,b")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	start(t, text)
	dial(t, filepath.Join(dir, "s")).alive(t)
}
