package admin

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"zocalo/internal/say"
)

//go:embed page
var files embed.FS

// pages are what needs no token.
var pages = map[string]string{"/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/icon.svg": "icon.svg"}

var kinds = map[string]string{"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

func isPage(r *http.Request) bool {
	_, is := pages[r.URL.Path]
	return is && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// mostPairs bounds the pairs of an answer.
const mostPairs = 20_000

// handler is what is behind the guard.
func (s *Server) handler() http.Handler {
	m := http.NewServeMux()
	for path, name := range pages {
		if path == "/" {
			path = "/{$}"
		}
		m.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { page(w, name) })
	}
	m.HandleFunc("GET /v1/status", s.status)
	m.HandleFunc("GET /v1/events", s.events)
	m.HandleFunc("GET /v1/services/{service}/pairs", s.pairs)
	m.HandleFunc("GET /v1/services/{service}/pairs/{pair}", s.pair)
	m.HandleFunc("POST /v1/reload", s.reload)
	m.HandleFunc("POST /v1/drain", s.named("service", s.config.Drain))
	m.HandleFunc("POST /v1/eject", s.named("upstream", s.config.Eject))
	m.HandleFunc("POST /v1/restore", s.named("upstream", s.config.Restore))
	m.HandleFunc("POST /v1/log-level", s.level)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is no "+r.Method+" "+r.URL.Path+" here: GET /v1/status lists what exists")
	})
	return m
}

func page(w http.ResponseWriter, name string) {
	content, err := fs.ReadFile(files, "page/"+name)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", kinds[name[strings.LastIndexByte(name, '.')+1:]])
	w.Write(content)
}

// A Status is the answer to GET /v1/status.
type Status struct {
	Version  string    `json:"version"`
	PID      int       `json:"pid"`
	Began    time.Time `json:"began"`
	Level    string    `json:"log_level,omitempty"`
	Can      []string  `json:"can"` // the controls that there are: reload, drain, eject ...
	Services []Service `json:"services"`
}

func (s *Server) now() Status {
	st := Status{Version: s.config.Version, PID: os.Getpid(), Began: s.began, Can: []string{}, Services: s.config.Source.Services()}
	for name, has := range map[string]bool{
		"reload": s.config.Reload != nil, "drain": s.config.Drain != nil, "eject": s.config.Eject != nil, "restore": s.config.Restore != nil,
		"log-level": s.config.Level != nil, "explain": s.config.Explain != nil, "calls": s.config.Calls != nil,
	} {
		if has {
			st.Can = append(st.Can, name)
		}
	}
	slices.Sort(st.Can)
	if s.config.Level != nil {
		st.Level = s.config.Level.Level().String()
	}
	if st.Services == nil {
		st.Services = []Service{}
	}
	return st
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) { answer(w, s.now()) }

func (s *Server) pairs(w http.ResponseWriter, r *http.Request) {
	pairs := s.config.Source.Pairs(r.PathValue("service"))
	if pairs == nil {
		s.noService(w, r.PathValue("service"))
		return
	}
	left := max(len(pairs)-mostPairs, 0)
	answer(w, struct {
		Pairs   []Pair `json:"pairs"`
		LeftOut int    `json:"left_out,omitempty"`
	}{pairs[:len(pairs)-left], left})
}

func (s *Server) pair(w http.ResponseWriter, r *http.Request) {
	service := r.PathValue("service")
	var number json.Number = json.Number(r.PathValue("pair"))
	n, err := number.Int64()
	pairs := s.config.Source.Pairs(service)
	i := slices.IndexFunc(pairs, func(p Pair) bool { return err == nil && p.Number == n })
	switch {
	case pairs == nil:
		s.noService(w, service)
		return
	case i < 0:
		fail(w, http.StatusNotFound, "there is no open pair "+number.String()+" of "+service)
		return
	}
	a := struct {
		Pair
		Explained []string `json:"explained,omitempty"`
	}{Pair: pairs[i]}
	if s.config.Explain != nil {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		a.Explained = s.config.Explain(ctx, service, pairs[i])
	}
	answer(w, a)
}

func (s *Server) noService(w http.ResponseWriter, name string) {
	var names []string
	for _, v := range s.config.Source.Services() {
		names = append(names, v.Name)
	}
	fail(w, http.StatusNotFound, "there is no service "+name+": there are "+strings.Join(names, ", "))
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if s.config.Reload == nil {
		fail(w, http.StatusNotImplemented, "there is no file to load again")
		return
	}
	done(w, s.config.Reload(r.Context()))
}

// named is a request that changes what has the name in a field.
func (s *Server) named(field string, change func(name string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if change == nil {
			fail(w, http.StatusNotImplemented, "this command cannot do that: it has no services from a file")
			return
		}
		name, ok := one(w, r, field)
		if ok {
			done(w, change(name))
		}
	}
}

func (s *Server) level(w http.ResponseWriter, r *http.Request) {
	if s.config.Level == nil {
		fail(w, http.StatusNotImplemented, "the level of this log is fixed")
		return
	}
	text, ok := one(w, r, "level")
	if !ok {
		return
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		fail(w, http.StatusBadRequest, "level "+text+" is not one of debug, info, warn, error")
		return
	}
	s.config.Level.Set(level)
	done(w, nil)
}

// one reads a body with one field, {"FIELD": "TEXT"}.
func one(w http.ResponseWriter, r *http.Request, field string) (string, bool) {
	var body map[string]string
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(&body)
	if err != nil && !errors.Is(err, io.EOF) || body[field] == "" || len(body) != 1 {
		fail(w, http.StatusBadRequest, `the body must be {"`+field+`": "..."}`)
		return "", false
	}
	return body[field], true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// done answers a request that changed something, or could not.
func done(w http.ResponseWriter, err error) {
	if err != nil {
		fail(w, http.StatusConflict, strings.ReplaceAll(say.Error(err), "\n", "; "))
		return
	}
	answer(w, struct {
		OK bool `json:"ok"`
	}{true})
}

// fail answers with an error, {"error": "..."}.
func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct {
		Error string `json:"error"`
	}{text})
}
