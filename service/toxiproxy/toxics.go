package toxiproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"zocalo/fault"
)

// A Toxic is a fault as the API shows it.
type Toxic struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	Stream     string           `json:"stream"` // "downstream" or "upstream"
	Toxicity   float32          `json:"toxicity"`
	Attributes map[string]int64 `json:"attributes"`
}

// A kind is a type of toxics: its attributes, and the effect that they are.
type kind struct {
	attributes []string
	effect     func(a map[string]int64) fault.Effect
}

const mostMillis = math.MaxInt64 / int64(time.Millisecond) / 2

func millis(n int64) time.Duration {
	return time.Duration(min(max(n, 0), mostMillis)) * time.Millisecond
}

// kinds are the types. A KB of bandwidth is 1000 bytes.
var kinds = map[string]kind{
	"latency": {[]string{"latency", "jitter"}, func(a map[string]int64) fault.Effect {
		return fault.Latency{Mean: millis(a["latency"]), Jitter: millis(a["jitter"]), Shape: fault.Uniform}
	}},
	"bandwidth": {[]string{"rate"}, func(a map[string]int64) fault.Effect {
		return fault.Rate{Bytes: min(max(a["rate"], 0), math.MaxInt64/1000) * 1000}
	}},
	"slow_close": {[]string{"delay"}, func(a map[string]int64) fault.Effect { return fault.SlowClose{Time: millis(a["delay"])} }},
	"timeout":    {[]string{"timeout"}, func(a map[string]int64) fault.Effect { return fault.Timeout{After: millis(a["timeout"])} }},
	"reset_peer": {[]string{"timeout"}, func(a map[string]int64) fault.Effect { return fault.Reset{After: millis(a["timeout"])} }},
	"limit_data": {[]string{"bytes"}, func(a map[string]int64) fault.Effect { return fault.Limit{Bytes: max(a["bytes"], 0)} }},
	"slicer": {[]string{"average_size", "size_variation", "delay"}, func(a map[string]int64) fault.Effect {
		size := int(min(max(a["average_size"], 1), 1<<30))
		return fault.Slices{Size: size, Variation: int(min(max(a["size_variation"], 0), int64(size-1))), Pause: time.Duration(min(max(a["delay"], 0), 1<<40)) * time.Microsecond}
	}},
}

// directions are the words for which way a toxic is.
var directions = map[string]fault.Direction{"downstream": fault.Down, "upstream": fault.Up}

// fault is the toxic as a fault, of that name.
func (t *Toxic) fault(name string) fault.Fault {
	share := float64(t.Toxicity)
	if share <= 0 {
		share = -1 // of no pair
	}
	return fault.Fault{Name: name, Direction: directions[t.Stream], Effect: kinds[t.Type].effect(t.Attributes), Share: min(share, 1)}
}

// setAttributes takes the attributes of a request, and returns the names of those that the
// type does not have.
func (t *Toxic) setAttributes(raw json.RawMessage) (unknown []string, err error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, err
	}
	set := maps.Clone(t.Attributes)
	for name, value := range given {
		if !slices.Contains(kinds[t.Type].attributes, name) {
			unknown = append(unknown, name)
			continue
		}
		var n int64
		if err := json.Unmarshal(value, &n); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		set[name] = n
	}
	t.Attributes = set
	slices.Sort(unknown)
	return unknown, nil
}

// newToxic is a toxic of a type with toxiproxy's defaults.
func newToxic(name, typ, stream string) Toxic {
	t := Toxic{Name: name, Type: typ, Stream: stream, Toxicity: 1, Attributes: make(map[string]int64)}
	for _, a := range kinds[typ].attributes {
		t.Attributes[a] = 0
	}
	return t
}
