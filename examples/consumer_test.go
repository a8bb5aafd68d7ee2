package examples

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Somebody else's module, with a copy of this one in place of a published version,
// imports all that is public and builds the programs of this folder, and neither
// vet nor staticcheck finds anything in it.
func TestConsumer(t *testing.T) {
	staticcheck := strings.TrimSpace(command(t, "..", "go", "tool", "-n", "staticcheck"))
	tree, consumer := t.TempDir(), t.TempDir()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && name != ".."):
			return filepath.SkipDir
		case d.Type().IsRegular() && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "."):
			copyFile(t, path, filepath.Join(tree, strings.TrimPrefix(path, "..")))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	programs, err := filepath.Glob("*/*.go")
	if err != nil || len(programs) == 0 {
		t.Fatalf("the programs of this folder are %v, %v", programs, err)
	}
	for _, name := range programs {
		copyFile(t, name, filepath.Join(consumer, name))
	}
	var imports bytes.Buffer
	for _, path := range strings.Fields(command(t, "..", "go", "list", "-f", `{{if ne .Name "main"}}{{.ImportPath}}{{end}}`, "./...")) {
		if !strings.Contains(path, "/internal/") && !strings.HasSuffix(path, "/internal") && path != "zocalo/examples" {
			imports.WriteString("import _ \"" + path + "\"\n")
		}
	}
	write(t, filepath.Join(consumer, "all.go"), append([]byte("// Package consumer imports everything.\npackage consumer\n\n"), imports.Bytes()...))

	// What this module needs, the other does, in the same versions.
	needs, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	needs = bytes.Replace(needs, []byte("module zocalo\n"), []byte("module example.org/consumer\n"), 1)
	write(t, filepath.Join(consumer, "go.mod"), append(needs, "\nrequire zocalo v0.0.0\n\nreplace zocalo => "+tree+"\n"...))
	copyFile(t, "../go.sum", filepath.Join(consumer, "go.sum"))

	for _, args := range [][]string{{"go", "build", "./..."}, {"go", "vet", "./..."}, {staticcheck, "./..."}} {
		command(t, consumer, args...)
	}
}

// command returns what a command prints, run in dir.
func command(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, b)
}

func write(t *testing.T, to string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
