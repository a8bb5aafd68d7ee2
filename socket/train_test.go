package socket

import (
	"bytes"
	"net/netip"
	"testing"
)

func sized(sizes ...int) []Message {
	ms := make([]Message, len(sizes))
	for i, n := range sizes {
		ms[i].SetData(make([]byte, n))
	}
	return ms
}

func TestTrainOf(t *testing.T) {
	change := func(ms []Message, i int, f func(*Message)) []Message {
		f(&ms[i])
		return ms
	}
	repeat := func(n, size int) []int {
		sizes := make([]int, n)
		for i := range sizes {
			sizes[i] = size
		}
		return sizes
	}
	parts := func(n int) [][]byte {
		b := make([][]byte, n)
		for i := range b {
			b[i] = []byte{1}
		}
		return b
	}
	other := InetName(netip.MustParseAddrPort("127.0.0.1:1"))
	for _, c := range []struct {
		name           string
		ms             []Message
		longest        int
		count, segment int
	}{
		{"one", sized(100), 1000, 1, 100},
		{"equal", sized(100, 100, 100), 1000, 3, 100},
		{"a shorter last", sized(100, 100, 7, 100), 1000, 3, 100},
		{"a longer follows", sized(100, 101), 1000, 1, 100},
		{"a longer follows two", sized(100, 100, 101), 1000, 2, 100},
		{"empty first", sized(0, 0), 1000, 1, 0},
		{"empty follows", sized(100, 100, 0), 1000, 2, 100},
		{"longer than the path takes", sized(1001, 1001), 1000, 1, 1001},
		{"as long as the path takes", sized(1000, 1000), 1000, 2, 1000},
		{"no trains", sized(10, 10), 0, 1, 10},
		{"as many as one takes", sized(repeat(64, 10)...), 1000, 64, 10},
		{"more than one takes", sized(repeat(65, 10)...), 1000, 64, 10},
		{"as long as one may be", sized(repeat(50, 1400)...), 1 << 16, 46, 1400}, // 46*1400 = 64400, 47*1400 = 65800
		{"two would be too long", sized(40000, 40000), 1 << 16, 1, 40000},
		{"another peer", change(sized(10, 10, 10), 2, func(m *Message) { m.Peer = other }), 1000, 2, 10},
		{"a flag first", change(sized(10, 10), 0, func(m *Message) { m.Flags = DontRoute }), 1000, 1, 10},
		{"a flag follows", change(sized(10, 10), 1, func(m *Message) { m.Flags = DontRoute }), 1000, 1, 10},
		{"ancillary data first", change(sized(10, 10), 0, func(m *Message) { m.Ancillary.Present = HasControl }), 1000, 1, 10},
		{"ancillary data follows", change(sized(10, 10), 1, func(m *Message) { m.Ancillary.Present = HasControl }), 1000, 1, 10},
		{"a train follows", change(sized(10, 10), 1, func(m *Message) { m.SegmentSize = 5 }), 1000, 1, 10},
		{"more buffers than one call takes", []Message{{Buffers: parts(512)}, {Buffers: parts(512)}, {Buffers: parts(512)}}, 1000, 2, 512},
	} {
		t.Run(c.name, func(t *testing.T) {
			if count, segment := trainOf(c.ms, c.longest); count != c.count || segment != c.segment {
				t.Errorf("%d messages of %d bytes, want %d of %d", count, segment, c.count, c.segment)
			}
		})
	}
}

func TestSegments(t *testing.T) {
	for _, c := range []struct {
		name    string
		buffers []string
		n, size int
		want    []string
	}{
		{"no train", []string{"abcdef"}, 4, 0, []string{"abcd"}},
		{"empty", []string{"abcdef"}, 0, 0, []string{""}},
		{"equal", []string{"abcdef"}, 6, 2, []string{"ab", "cd", "ef"}},
		{"a shorter last", []string{"abcdef"}, 5, 2, []string{"ab", "cd", "e"}},
		{"cut short", []string{"abcdef"}, 3, 4, []string{"abc"}},
		{"across buffers", []string{"abc", "", "d", "ef"}, 6, 2, []string{"ab", "cd", "ef"}},
		{"across many", []string{"a", "b", "c", "d"}, 4, 3, []string{"abc", "d"}},
		{"no buffers", nil, 0, 3, []string{""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Message{N: c.n, SegmentSize: c.size}
			for _, b := range c.buffers {
				m.Buffers = append(m.Buffers, []byte(b))
			}
			var got []string
			for s := range m.Segments() {
				got = append(got, string(s))
				s = append(s, "overwritten"...) // which must not reach what follows
				_ = s
			}
			if len(got) != len(c.want) {
				t.Fatalf("%q, want %q", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%q, want %q", got, c.want)
				}
			}
			for range m.Segments() {
				break
			}
		})
	}
}

// What Segments splits, put together again, is what was received, whatever the
// buffers.
func FuzzSegments(f *testing.F) {
	f.Add([]byte("abcdefgh"), 3, 2)
	f.Add([]byte{}, 1, 0)
	f.Fuzz(func(t *testing.T, data []byte, size, part int) {
		m := Message{N: len(data), SegmentSize: size}
		part = max(part, 1)
		for rest := data; len(rest) > 0; rest = rest[min(part, len(rest)):] {
			m.Buffers = append(m.Buffers, rest[:min(part, len(rest))])
		}
		var joined []byte
		for s := range m.Segments() {
			if size > 0 && len(s) > size {
				t.Errorf("a segment of %d bytes, of %d", len(s), size)
			}
			joined = append(joined, s...)
		}
		if !bytes.Equal(joined, data) {
			t.Errorf("%q, want %q", joined, data)
		}
	})
}

func TestCorrupting(t *testing.T) {
	for release, want := range map[string]bool{
		"6.18.44-fc": false, "6.6.44": false, "7.0.0": true, "7.0.12-generic": true, "7.1.0": true, "7.1.4": true, "7.1.5": false,
		"7.2.0": false, "7.0-rc1": true, "7.1.4+": true, "8.0.0": false, "": false, "odd": false, "7": true,
	} {
		if got := corrupting(release) != ""; got != want {
			t.Errorf("release %q: %v, want %v", release, got, want)
		}
	}
}
