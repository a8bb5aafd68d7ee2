package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"zocalo/internal/units"
	"zocalo/process"
	"zocalo/sockstat"
)

// watchLive shows the sockets on the terminal, until q is pressed.
func (l *list) watchLive(ctx context.Context, q sockstat.Query) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q.Note = nil // would be written into the picture
	m := &liveView{list: l, ctx: ctx, query: q, filter: quotedWords(l.words)}
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(l.in), tea.WithOutput(l.out)).Run()
	if errors.Is(err, tea.ErrInterrupted) {
		return statusError(statusInterrupted)
	}
	return cmp.Or(m.failed, err)
}

// A liveView is the picture and what the keys do to it.
type liveView struct {
	*list
	ctx    context.Context
	query  sockstat.Query
	watch  watcher
	shown  []watched
	others map[uint32]*sockstat.Socket
	failed error

	width, height int
	chosen        watchKey
	at            int // of the chosen one in shown
	order         int // in liveOrders
	explains      bool
	helps         bool
	pauses        bool

	filter  string // in effect
	typed   string // on the filter line, while types
	types   bool
	mistake string // in the filter
}

// A look is what was seen.
type liveLook struct {
	now    []watched
	others map[uint32]*sockstat.Socket
	err    error
}

type liveTick struct{}

var liveOrders = []struct {
	name    string
	compare func(a, b *watched) int
}{
	{"name", func(a, b *watched) int {
		return slices.Compare(appendOrderKey(nil, usualOrder, a.Socket), appendOrderKey(nil, usualOrder, b.Socket))
	}},
	{"sent", func(a, b *watched) int { return cmp.Compare(b.sent(), a.sent()) }},
	{"received", func(a, b *watched) int { return cmp.Compare(b.received(), a.received()) }},
	{"queues", func(a, b *watched) int {
		return cmp.Compare(uint64(b.RecvQ)+uint64(b.SendQ), uint64(a.RecvQ)+uint64(a.SendQ))
	}},
}

const liveHelp = `  up, down, k, j   choose a socket        enter   explain it
  s                next order             /       change the filter: kinds and KEY=VALUE; enter takes it, esc does not
  space            pause and go on        ?       this help
  q                end`

func (m *liveView) Init() tea.Cmd { return m.look() }

// look is the command that lists sockets.
func (m *liveView) look() tea.Cmd {
	q, explains := m.query, m.explains
	return func() tea.Msg {
		now, _, err := m.watch.look(m.ctx, q) // one look at a time: the next is begun after this one has come
		l := liveLook{now: now, err: err}
		if err == nil && explains {
			var found []*sockstat.Socket
			for _, w := range now {
				found = append(found, w.Socket)
			}
			l.others, l.err = otherEnds(m.ctx, q, found)
		}
		return l
	}
}

func (m *liveView) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case liveLook:
		if msg.err != nil {
			m.failed = msg.err
			return m, tea.Quit
		}
		if !m.pauses {
			m.shown, m.others = msg.now, msg.others
			m.sort()
		}
		return m, tea.Tick(m.list.watch, func(time.Time) tea.Msg { return liveTick{} })
	case liveTick:
		return m, m.look()
	case tea.KeyPressMsg:
		if m.types {
			m.typeKey(msg)
			return m, nil
		}
		return m, m.key(msg.String())
	}
	return m, nil
}

// key does what a key stands for.
func (m *liveView) key(key string) tea.Cmd {
	switch key {
	case "q", "esc":
		return tea.Quit
	case "ctrl+c":
		return tea.Interrupt
	case "?":
		m.helps = !m.helps
	case "s":
		m.order = (m.order + 1) % len(liveOrders)
		m.sort()
	case "up", "k":
		m.choose(m.at - 1)
	case "down", "j":
		m.choose(m.at + 1)
	case "enter":
		m.explains = !m.explains
	case "space":
		m.pauses = !m.pauses
	case "/":
		m.types, m.typed, m.mistake = true, m.filter, ""
	}
	return nil
}

// typeKey is a key on the filter line.
func (m *liveView) typeKey(msg tea.KeyPressMsg) {
	switch msg.String() {
	case "esc", "ctrl+c":
		m.types, m.mistake = false, ""
	case "backspace":
		if r := []rune(m.typed); len(r) > 0 {
			m.typed = string(r[:len(r)-1])
		}
	case "ctrl+u":
		m.typed = ""
	case "enter":
		typed, err := process.Words(m.typed)
		var words listWords
		if err == nil {
			words, err = parseListWords(typed)
		}
		if err != nil {
			m.mistake = oneLine(err)
			return
		}
		q := words.query(true)
		q.Netns, q.AllNetns, q.FoldSubflows, q.Details, q.Programs = m.query.Netns, m.query.AllNetns, true, m.query.Details, m.query.Programs
		m.query, m.filter, m.types, m.mistake = q, m.typed, false, ""
	default:
		if len(m.typed) < 1000 {
			m.typed += msg.Text
		}
	}
}

// quotedWords is a line of words as process.Words reads it.
func quotedWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; strings.ContainsAny(w, " \t\n'\"\\") || w == "" {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

func (m *liveView) sort() {
	slices.SortStableFunc(m.shown, func(a, b watched) int {
		return cmp.Or(liveOrders[m.order].compare(&a, &b), liveOrders[0].compare(&a, &b))
	})
	at := slices.IndexFunc(m.shown, func(w watched) bool { return watchKeyOf(w.Socket) == m.chosen })
	if at < 0 {
		at = m.at
	}
	m.choose(at)
}

func (m *liveView) choose(at int) {
	if m.at = max(min(at, len(m.shown)-1), 0); len(m.shown) > 0 {
		m.chosen = watchKeyOf(m.shown[m.at].Socket)
	}
}

func (m *liveView) View() tea.View {
	lines := m.lines()
	if len(lines) > m.height {
		lines = lines[:max(m.height, 0)]
	}
	for i, line := range lines {
		if m.width > 0 && cellWidth([]byte(line)) > m.width {
			line = string(cut([]byte(line), m.width, false))
		}
		switch {
		case !m.colours():
		case i == 0:
			line = "\x1b[1m" + line + "\x1b[m"
		case strings.HasPrefix(line, "> "):
			line = "\x1b[7m" + line + "\x1b[m"
		}
		lines[i] = line
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	return v
}

// lines are the picture without colours: a head, the sockets, and what explains the chosen one.
func (m *liveView) lines() []string {
	head := fmt.Sprintf("%s, by %s, every %s", units.Plural(len(m.shown), "socket"), liveOrders[m.order].name, units.Set(m.list.watch))
	if m.pauses {
		head += ", paused"
	}
	if m.filter != "" {
		head += ": " + m.filter
	}
	lines := []string{head + "  (? for help)"}
	if m.types {
		lines = append(lines, "filter: "+m.typed+"_")
	}
	if m.mistake != "" {
		lines = append(lines, "  "+m.mistake)
	}
	if m.helps {
		lines = append(lines, strings.Split(liveHelp, "\n")...)
	}
	var below []string
	if m.explains && len(m.shown) > 0 {
		w := m.shown[m.at]
		below = append(below, "", explainTitle(w.Socket))
		below = append(below, explainLines(sockstat.Explain(sockstat.Observation{Socket: w.Socket, Before: w.before, Since: w.since, Other: m.others[w.PeerInode]}), m.width)...)
	}
	room := max(m.height-len(lines)-1-len(below), 3)
	first := max(min(m.at-room/2, len(m.shown)-room), 0)
	row := func(mark string, cells ...string) string {
		return mark + fmt.Sprintf("%-6s %-11s %10s %10s %8s %8s %7s  %-24s %-24s %s", toAny(cells)...)
	}
	lines = append(lines, row("  ", "KIND", "STATE", "SENT", "RECEIVED", "RECV-Q", "SEND-Q", "RETRANS", "LOCAL", "PEER", "PROCESS"))
	for i := first; i < min(first+room, len(m.shown)); i++ {
		w, mark, retransmits := &m.shown[i], "  ", ""
		if i == m.at {
			mark = "> "
		}
		if w.TCPInfo != nil && w.State != sockstat.Listen {
			retransmits = fmt.Sprint(w.TCPInfo.TotalRetransmits)
		}
		lines = append(lines, row(mark, w.Kind.String(), w.State.String(), watchRate(w.sent()), watchRate(w.received()), fmt.Sprint(w.RecvQ), fmt.Sprint(w.SendQ), retransmits,
			localName.Text(w.Socket), peerName.Text(w.Socket), processName.Text(w.Socket)))
	}
	return append(lines, below...)
}

var processName = mustColumn("process")

func toAny(cells []string) []any {
	list := make([]any, len(cells))
	for i, c := range cells {
		list[i] = c
	}
	return list
}
