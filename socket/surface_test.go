package socket_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"testing"
)

// A package is learnt by its names: this one has at most 150, of which many are Linux's
// constants. What does not fit belongs to socket/option, socket/scheme or internal.
func TestSurface(t *testing.T) {
	pkg, err := build.ImportDir(".", 0)
	check(t, err)
	var names []string
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names = append(names, id.Name)
		}
	}
	for _, name := range pkg.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		check(t, err)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						add(s.Name)
					case *ast.ValueSpec:
						for _, id := range s.Names {
							add(id)
						}
					}
				}
			}
		}
	}
	if len(names) > 150 {
		t.Errorf("%d names: %v", len(names), names)
	}
}
