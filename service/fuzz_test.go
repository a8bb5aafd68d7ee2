package service_test

import (
	"reflect"
	"strings"
	"testing"

	"zocalo/service"
)

// FuzzParse reads files. Whatever is in one, each problem has its place, and what is
// in order is the same again when it is written.
func FuzzParse(f *testing.F) {
	f.Add(service.Example())
	f.Add("[service.a]\nfrom = 'tcp-listen:1'\nto = [{address = \"tcp:h:1\", weight = 2}, 'tcp:h:2']\nidle = 3.5\nallow = ['10.0.0.0/8']")
	f.Add("[[service]]\nx.y = 1\n[service.a.b]\n'' = 0x_1")
	f.Add("service.a = {from = [1, [2]], to = 1979-05-27, verb = 'echo', echo = {}}")
	f.Add("include = 'nosuch/*'\nuser = 3\n[defaults]\nmax-conns = 1_0\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") { // the files of this machine are not the test's
			return
		}
		c, err := service.Parse("f.toml", []byte(text))
		if err != nil {
			problems, is := err.(service.Problems)
			if !is || len(problems) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			for _, p := range problems {
				if p.File != "f.toml" || p.Text == "" || strings.Contains(p.String(), "\n") {
					t.Errorf("%+v", p)
				}
			}
			return
		}
		var again strings.Builder
		for i := range c.Services {
			again.WriteString(c.Services[i].Text())
		}
		d, err := service.Parse("f.toml", []byte(again.String()))
		if err != nil {
			t.Fatalf("%v\nof what was written for %q:\n%s", err, text, again.String())
		}
		for i := range c.Services {
			x, y := &c.Services[i], &d.Services[i]
			if x.Text() != y.Text() || !reflect.DeepEqual(x.From, y.From) || !reflect.DeepEqual(x.To, y.To) || !reflect.DeepEqual(x.Command, y.Command) {
				t.Errorf("%+v became %+v", x, y)
			}
		}
	})
}
