package fault

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"zocalo/codec"
	"zocalo/internal/nearest"
)

// Parse reads a fault as `relay --fault` takes it:
//
//	[NAME@][up:|down:]EFFECT[=VALUE][,OPTION]...
//
// such as "down:latency=100ms~20ms,normal" or "up:loss=ge(1%,30%)". Without up: or down: it is for both directions. Options of
// every effect are after=TIME, for=TIME, every=TIME, times=N, clock=plan, and pairs=, which takes numbers (3, 2-5, 7-) or
// a share (50%). Unknown words are refused with the nearest one. What the effects take is in docs/faults.md.
func Parse(text string) (Fault, error) {
	f, err := parse(text)
	if err == nil {
		err = f.Check()
	}
	if err != nil {
		return Fault{}, &SpecError{text, err}
	}
	return f, nil
}

// A SpecError refuses a text as a fault.
type SpecError struct {
	Text string
	Err  error // what is wrong with it
}

// Error quotes the text.
func (e *SpecError) Error() string { return fmt.Sprintf("fault %.200q: %v", e.Text, e.Err) }

// Unwrap returns what is wrong.
func (e *SpecError) Unwrap() error { return e.Err }

// An effectWord reads an effect.
type effectWord struct {
	example string // of a value, "" where it takes none
	parse   func(*words) (Effect, error)
}

var effectWords map[string]effectWord

func init() { // since the parsers lead back to it
	effectWords = map[string]effectWord{
		"latency":    {"latency=100ms~20ms,normal", parseLatency},
		"rate":       {"rate=1MB", parseRate},
		"loss":       {"loss=1%", parseLoss},
		"slices":     {"slices=100,10ms", parseSlices},
		"slow-open":  {"slow-open=2s", parseTime(func(d time.Duration) Effect { return SlowOpen{d} })},
		"slow-close": {"slow-close=2s", parseTime(func(d time.Duration) Effect { return SlowClose{d} })},
		"stall":      {"", parseNothing(Stall{})},
		"timeout":    {"timeout=5s", parseTime(func(d time.Duration) Effect { return Timeout{d} })},
		"limit":      {"limit=1MB", parseLimit},
		"reset":      {"reset=5s", parseReset},
		"corrupt":    {"corrupt=0.1%", parseShare(func(s float64) Effect { return Corrupt{s} })},
		"duplicate":  {"duplicate=1%", parseShare(func(s float64) Effect { return Duplicate{s} })},
		"reorder":    {"reorder=5%,3", parseReorder},
		"truncate":   {"truncate=100", parseTruncate},
		"mtu":        {"mtu=1400", parseMTU},
		"partition":  {"", parseNothing(Partition{})},
		"down":       {"", parseNothing(Outage{})},
		"blackhole":  {"", parseNothing(Blackhole{})},
	}
}

// Words returns the words of all effects, in their order, each with an example of its value.
func Words() (words, examples []string) {
	for _, e := range []Effect{Latency{}, Rate{}, Loss{}, Slices{}, SlowOpen{}, SlowClose{}, Stall{}, Timeout{}, Limit{}, Reset{},
		Corrupt{}, Duplicate{}, Reorder{}, Truncate{}, MTU{}, Partition{}, Outage{}, Blackhole{}} {
		word := e.word()
		example := effectWords[word].example
		if example == "" {
			example = word
		}
		words, examples = append(words, word), append(examples, example)
	}
	return words, examples
}

// otherWords are those of toxiproxy, netem and others.
var otherWords = map[string]string{
	"delay": "latency", "jitter": "latency=50ms~10ms", "bandwidth": "rate", "throttle": "rate", "slicer": "slices", "slow_close": "slow-close",
	"slow_open": "slow-open", "reset_peer": "reset", "limit_data": "limit", "drop": "loss", "dup": "duplicate", "gap": "reorder",
	"swallow": "timeout=0", "pause": "stall", "hang": "stall", "freeze": "stall", "rst": "reset", "close": "limit or timeout", "gemodel": "loss=ge(1%,30%)",
	"toxicity": "pairs=50%", "bitflip": "corrupt", "refuse": "down", "block": "blackhole", "slow": "rate", "cut": "truncate",
}

func parse(text string) (f Fault, err error) {
	if strings.TrimSpace(text) == "" {
		return f, errors.New("it is empty: write an effect, such as latency=100ms")
	}
	name, rest, named := strings.Cut(text, "@")
	if !named || strings.ContainsAny(name, ",=:(") {
		rest = text
	} else if f.Name = name; name == "" {
		return f, errors.New("the name before @ is empty")
	}
	if word, after, ok := strings.Cut(rest, ":"); ok && !strings.ContainsAny(word, "=,(") {
		i := slices.Index(directionNames[:], word)
		if i < 0 {
			return f, nearest.Unknown("direction", word, directionNames[:])
		}
		f.Direction, rest = Direction(i), after
	}
	word := rest
	if i := strings.IndexAny(rest, "=,"); i >= 0 {
		word, rest = rest[:i], strings.TrimPrefix(rest[i:], "=")
		rest = strings.TrimPrefix(rest, ",")
	} else {
		rest = ""
	}
	e, known := effectWords[word]
	if !known {
		return f, unknownEffect(word)
	}
	w := &words{word: word, example: e.example}
	if err := w.cut(rest); err != nil {
		return f, err
	}
	if f.Effect, err = e.parse(w); err != nil {
		return f, err
	}
	if err := f.options(w); err != nil {
		return f, err
	}
	return f, w.rest()
}

func unknownEffect(word string) error {
	if other := otherWords[strings.ToLower(word)]; other != "" {
		return fmt.Errorf("unknown effect %q: here it is %s", word, other)
	}
	known, _ := Words()
	if near := nearest.Word(word, known); near != "" {
		return fmt.Errorf("unknown effect %.80q: did you mean %s?", word, near)
	}
	return fmt.Errorf("unknown effect %.80q: there are %s", word, strings.Join(known, ", "))
}

// words are the values and options after the word of an effect.
type words struct {
	word, example string
	values        []string // without a key
	keys, options []string // with one
	asked         []string // keys that the effect has
}

// cut cuts a text at its commas, but for those between parentheses.
func (w *words) cut(text string) error {
	for text != "" {
		depth, i := 0, 0
		for ; i < len(text); i++ {
			switch text[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth < 0 || text[i] == ',' && depth == 0 {
				break
			}
		}
		if depth != 0 {
			return errors.New("the parentheses do not match")
		}
		part := text[:i]
		text = strings.TrimPrefix(text[i:], ",")
		key, value, keyed := strings.Cut(part, "=")
		switch {
		case part == "":
			return errors.New("there is nothing between two commas, or after the last")
		case keyed && !strings.Contains(key, "("):
			if slices.Contains(w.keys, key) && key != "pairs" {
				return fmt.Errorf("%s= is there twice", key)
			}
			w.keys, w.options = append(w.keys, key), append(w.options, value)
		default:
			w.values = append(w.values, part)
		}
	}
	return nil
}

// value takes the next value without a key; must says that there has to be one.
func (w *words) value(must bool) (string, error) {
	if len(w.values) == 0 {
		if must {
			return "", fmt.Errorf("%s needs a value, such as %s", w.word, w.example)
		}
		return "", nil
	}
	v := w.values[0]
	w.values = w.values[1:]
	return v, nil
}

// option takes the value of a key, ok false where it is not there.
func (w *words) option(key string) (string, bool) {
	w.asked = append(w.asked, key)
	i := slices.Index(w.keys, key)
	if i < 0 {
		return "", false
	}
	v := w.options[i]
	w.keys, w.options = slices.Delete(w.keys, i, i+1), slices.Delete(w.options, i, i+1)
	return v, true
}

// flag takes a word without a value.
func (w *words) flag(name string) bool {
	w.asked = append(w.asked, name)
	i := slices.Index(w.values, name)
	if i >= 0 {
		w.values = slices.Delete(w.values, i, i+1)
	}
	return i >= 0
}

// rest refuses what nothing has taken.
func (w *words) rest() error {
	left := append(w.keys, w.values...)
	if len(left) == 0 {
		return nil
	}
	unknown := left[0]
	if other := otherWords[unknown]; other != "" && strings.Contains(other, "=") {
		return fmt.Errorf("unknown option %q of %s: here it is %s", unknown, w.word, other)
	}
	return fmt.Errorf("%s: %w", w.word, nearest.Unknown("option", unknown, w.asked))
}

// timeOption reads a time of a key, where it is there.
func (w *words) timeOption(key string, to *time.Duration) error {
	text, ok := w.option(key)
	if !ok {
		return nil
	}
	d, err := codec.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%s=: %w", key, err)
	}
	*to = d
	return nil
}

func (w *words) sizeOption(key string, to *int64) error {
	text, ok := w.option(key)
	if !ok {
		return nil
	}
	n, err := codec.ParseSize(strings.TrimSuffix(text, "/s"))
	if err != nil {
		return fmt.Errorf("%s=: %w", key, err)
	}
	*to = n
	return nil
}

// options takes those of every effect.
func (f *Fault) options(w *words) error {
	for key, to := range map[string]*time.Duration{"after": &f.After, "for": &f.For, "every": &f.Every} {
		if err := w.timeOption(key, to); err != nil {
			return err
		}
	}
	if text, ok := w.option("times"); ok {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n == 0 {
			return fmt.Errorf("times=: %.80q is not a whole number, 1 or more", text)
		}
		f.Times = int(n)
	}
	if text, ok := w.option("clock"); ok {
		if text != "pair" && text != "plan" {
			return fmt.Errorf("clock=: %.80q is neither pair nor plan", text)
		}
		f.Together = text == "plan"
	}
	for {
		text, ok := w.option("pairs")
		if !ok {
			break
		}
		if err := f.pairs(text); err != nil {
			return fmt.Errorf("pairs=: %w", err)
		}
	}
	slices.Sort(w.asked)
	w.asked = slices.Compact(w.asked)
	return nil
}

func (f *Fault) pairs(text string) error {
	if strings.HasSuffix(text, "%") {
		share, err := parsePercent(text)
		if f.Share = share; share == 0 {
			f.Share = -1
		}
		return err
	}
	from, to, ranged := strings.Cut(text, "-")
	r := Range{}
	var err error
	if r.From, err = strconv.ParseInt(from, 10, 64); err == nil && to != "" {
		r.To, err = strconv.ParseInt(to, 10, 64)
	}
	if !ranged {
		r.To = r.From
	}
	if err != nil || r.From < 1 || r.To < 0 || ranged && to != "" && r.To < r.From {
		return fmt.Errorf("%.80q is neither a pair number, such as 3, 2-5 or 7-, nor a share, such as 50%%", text)
	}
	f.Pairs = append(f.Pairs, r)
	return nil
}

// parsePercent reads a share: 1%, or 0.01.
func parsePercent(text string) (float64, error) {
	digits, hundred := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if hundred {
		v /= 100
	}
	switch {
	case err != nil || math.IsNaN(v):
		return 0, fmt.Errorf("%.80q is not a share such as 1%% or 0.01", text)
	case !hundred && v > 1 && v <= 100:
		return 0, fmt.Errorf("%s is more than 100%%: write %s%%", text, digits)
	case v < 0 || v > 1:
		return 0, fmt.Errorf("%.80q is not from 0%% to 100%%", text)
	}
	return v, nil
}

func parseNothing(e Effect) func(*words) (Effect, error) {
	return func(w *words) (Effect, error) {
		if v, _ := w.value(false); v != "" {
			return nil, fmt.Errorf("%s takes no value: when it holds is after=TIME, for=TIME and every=TIME", w.word)
		}
		return e, nil
	}
}

func parseTime(of func(time.Duration) Effect) func(*words) (Effect, error) {
	return func(w *words) (Effect, error) {
		text, err := w.value(true)
		if err != nil {
			return nil, err
		}
		d, err := codec.ParseDuration(text)
		return of(d), err
	}
}

func parseShare(of func(float64) Effect) func(*words) (Effect, error) {
	return func(w *words) (Effect, error) {
		text, err := w.value(true)
		if err != nil {
			return nil, err
		}
		share, err := parsePercent(text)
		return of(share), err
	}
}

// call cuts NAME(ARGS); ok is false where text is no call.
func call(text string) (name string, args []string, ok bool) {
	name, rest, found := strings.Cut(text, "(")
	rest, closed := strings.CutSuffix(rest, ")")
	if !found || !closed {
		return "", nil, false
	}
	args = strings.Split(rest, ",")
	for i := range args {
		args[i] = strings.TrimSpace(args[i])
	}
	return name, args, true
}

func parseLatency(w *words) (Effect, error) {
	text, err := w.value(true)
	if err != nil {
		return nil, err
	}
	var e Latency
	if name, args, ok := call(text); ok {
		if name != "file" || len(args) != 1 {
			return nil, fmt.Errorf("latency: %.80q is not file(PATH)", text)
		}
		e.File = args[0]
		if e.Samples, err = readSamples(e.File); err != nil {
			return nil, err
		}
	} else {
		mean, jitter, varies := strings.Cut(text, "~")
		if e.Mean, err = codec.ParseDuration(mean); err != nil {
			return nil, err
		}
		if varies {
			if e.Jitter, err = codec.ParseDuration(jitter); err != nil {
				return nil, err
			}
		}
	}
	e.Reorder = w.flag("reorder")
	for shape := Uniform; shape <= Pareto; shape++ {
		if w.flag(shape.String()) {
			e.Shape = shape
			if e.Samples != nil || e.Jitter == 0 {
				return nil, fmt.Errorf("latency: %v is the shape of a jitter: write latency=100ms~20ms,%v", shape, shape)
			}
		}
	}
	if text, ok := w.option("corr"); ok {
		if e.Correlation, err = parsePercent(text); err != nil {
			return nil, fmt.Errorf("corr=: %w", err)
		}
	}
	return e, nil
}

// maxSamples is the longest file of delays, in bytes.
const maxSamples = 16 << 20

// readSamples reads delays, one a line, as 12.5ms or, without a unit, in milliseconds as ping prints them. Empty lines, and
// what follows #, do not count.
func readSamples(path string) ([]time.Duration, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSamples {
		return nil, fmt.Errorf("%q is not a file of at most 16 MiB", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if _, err := strconv.ParseFloat(line, 64); err == nil {
			line += "ms"
		}
		d, err := time.ParseDuration(line)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("line %d of %q is not a delay, such as 12.5ms: %.40q", n, path, line)
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%q has no delays: write one per line, such as 12.5ms", path)
	}
	return all, nil
}

func parseRate(w *words) (Effect, error) {
	text, err := w.value(true)
	if err != nil {
		return nil, err
	}
	var e Rate
	if e.Bytes, err = codec.ParseSize(strings.TrimSuffix(text, "/s")); err != nil {
		if strings.HasSuffix(strings.ToLower(strings.TrimSuffix(text, "/s")), "bit") {
			err = fmt.Errorf("%.80q: a rate is in bytes per second, such as 125kB for 1 Mbit/s", text)
		}
		return nil, err
	}
	return e, errors.Join(w.sizeOption("burst", &e.Burst), w.sizeOption("queue", &e.Queue))
}

func parseLoss(w *words) (Effect, error) {
	text, err := w.value(true)
	if err != nil {
		return nil, err
	}
	var e Loss
	name, args, called := call(text)
	switch {
	case !called:
		e.Share, err = parsePercent(text)
	case name == "ge" && len(args) >= 2 && len(args) <= 4:
		e.Gilbert, err = parseGilbert(args)
	case name == "burst" && len(args) == 2:
		if e.Share, err = parsePercent(args[0]); err == nil {
			if e.Burst, err = strconv.Atoi(args[1]); err != nil || e.Burst < 1 {
				err = fmt.Errorf("loss: a burst of %.80q is not a number of messages", args[1])
			}
		}
	default:
		err = fmt.Errorf("loss: %.80q is not one of 1%%, ge(TO-BAD,TO-GOOD[,LOST-BAD[,LOST-GOOD]]) and burst(SHARE,LENGTH)", text)
	}
	if err != nil {
		return nil, err
	}
	return e, w.timeOption("pause", &e.Pause)
}

func parseGilbert(args []string) (*GilbertElliott, error) {
	shares := []float64{0, 0, 1, 0}
	for i, text := range args {
		var err error
		if shares[i], err = parsePercent(text); err != nil {
			return nil, fmt.Errorf("ge(): %w", err)
		}
	}
	if shares[2] == 0 {
		shares[2] = -1
	}
	return &GilbertElliott{shares[0], shares[1], shares[2], shares[3]}, nil
}

func parseSlices(w *words) (Effect, error) {
	text, err := w.value(true)
	if err != nil {
		return nil, err
	}
	var e Slices
	mean, variation, varies := strings.Cut(text, "~")
	if e.Size, err = codec.Size.Parse(mean); err != nil {
		return nil, err
	}
	if varies {
		if e.Variation, err = codec.Size.Parse(variation); err != nil {
			return nil, err
		}
	}
	if text, _ := w.value(false); text != "" {
		e.Pause, err = codec.ParseDuration(text)
	}
	return e, err
}

func parseLimit(w *words) (Effect, error) {
	text, err := w.value(true)
	if err != nil {
		return nil, err
	}
	n, err := codec.ParseSize(text)
	return Limit{n}, err
}

func parseReset(w *words) (Effect, error) {
	text, _ := w.value(false)
	if text == "" {
		return Reset{}, nil
	}
	if d, err := codec.ParseDuration(text); err == nil {
		return Reset{After: d}, nil
	}
	n, err := codec.ParseSize(text)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("reset: %.80q is neither a time, such as 5s, nor a size from 1B on, such as 64KiB", text)
	}
	return Reset{Bytes: n}, nil
}

func parseReorder(w *words) (Effect, error) {
	text, err := w.value(true)
	if err != nil {
		return nil, err
	}
	var e Reorder
	if e.Share, err = parsePercent(text); err != nil {
		return nil, err
	}
	if text, _ := w.value(false); text != "" {
		if e.Distance, err = strconv.Atoi(text); err != nil || e.Distance < 1 {
			return nil, fmt.Errorf("reorder: a distance of %.80q is not a number of messages", text)
		}
	}
	return e, w.timeOption("hold", &e.Hold)
}

func parseTruncate(w *words) (Effect, error) {
	text, err := w.value(true)
	if err != nil {
		return nil, err
	}
	var e Truncate
	if e.Size, err = codec.Size.Parse(text); err != nil {
		return nil, err
	}
	if text, _ := w.value(false); text != "" {
		e.Share, err = parsePercent(text)
	}
	return e, err
}

func parseMTU(w *words) (Effect, error) {
	text, err := w.value(true)
	if err != nil {
		return nil, err
	}
	n, err := codec.Size.Parse(text)
	return MTU{n}, err
}
