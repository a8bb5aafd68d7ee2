package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra/doc"
)

// TestManPages holds the manual pages against the help of the verbs. With
// -update it writes them anew.
func TestManPages(t *testing.T) {
	a := &app{}
	root := a.root()
	root.DisableAutoGenTag = true
	date := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	header := &doc.GenManHeader{Section: "1", Source: "zocalo " + version, Manual: "Zócalo", Date: &date}
	folder := t.TempDir()
	if *update {
		folder = "man"
		old, err := filepath.Glob("man/*.1")
		must(t, err)
		for _, page := range old {
			must(t, os.Remove(page))
		}
	}
	must(t, doc.GenManTree(root, header, folder))
	made, err := os.ReadDir(folder)
	must(t, err)
	kept, err := manPages.ReadDir("man")
	must(t, err)
	if len(made)+1 != len(kept) && !*update { // that of addresses besides
		t.Errorf("%d pages are kept, and the verbs make %d", len(kept)-1, len(made))
	}
	for _, entry := range made {
		if entry.Name() == addressesPage {
			continue
		}
		want, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		must(t, err)
		got, err := manPages.ReadFile("man/" + entry.Name())
		if !*update && (err != nil || string(got) != string(want)) {
			t.Errorf("man/%s is not what the verb's help says: go test ./cmd/zocalo -run TestManPages -update", entry.Name())
		}
	}
}
