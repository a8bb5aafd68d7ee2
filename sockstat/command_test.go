package sockstat

import (
	"encoding/json"
	"testing"
)

func TestCommandColumns(t *testing.T) {
	s := &Socket{Holders: []Holder{
		{PID: 7, Name: "python3", FD: 3, Path: "/usr/bin/python3", Args: []string{"python3", "-m", "a b"}},
		{PID: 7, Name: "python3", FD: 4, Path: "/usr/bin/python3", Args: []string{"python3", "-m", "a b"}},
		{PID: 8, Name: "kworker", FD: 1},
		{PID: 9, Name: "nginx", FD: 6, Path: "/opt/odd\x1b", Args: []string{"nginx: master process"}},
	}}
	column := func(name string) *Column {
		c, err := FindColumn(name)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, test := range []struct{ name, text, json string }{
		{"command", `"python3 -m \"a b\",nginx: master process"`,
			`[{"pid":7,"path":"/usr/bin/python3","args":["python3","-m","a b"]},{"pid":9,"path":"/opt/odd\u001b","args":["nginx: master process"]}]`},
		{"path", `"/usr/bin/python3,/opt/odd\x1b"`, `["/usr/bin/python3","/opt/odd\u001b"]`},
	} {
		c := column(test.name)
		if got := c.Text(s); got != test.text {
			t.Errorf("%s: %s; want %s", test.name, got, test.text)
		}
		if got := string(c.AppendJSON(nil, s)); got != test.json || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s; want %s", test.name, got, test.json)
		}
		if got := string(c.AppendJSON(nil, &Socket{Holders: s.Holders[2:3]})); got != "" {
			t.Errorf("%s of who has none: %s", test.name, got)
		}
	}
	for word, want := range map[string]bool{
		"command=python3 -m a b": true, "command=nginx:%": true, "command=%-m%": true, "command=python3": false,
		"path=/usr/bin/%": true, "path=python3": false, "path!=/usr/bin/python3": false,
	} {
		f, err := ParseFilter([]string{word})
		if err != nil {
			t.Fatal(err)
		}
		if f.Match(s) != want || f.Needs() != Processes|Commands {
			t.Errorf("%s: %v, needs %b", word, f.Match(s), f.Needs())
		}
	}
}
