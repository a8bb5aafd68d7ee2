package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zocalo/codec"
	"zocalo/internal/nearest"
	"zocalo/sockstat"
)

// list is the verb list: the sockets of this host.
type list struct {
	*app
	all      bool
	columns  string
	sort     string
	group    string
	resolve  bool
	explain  bool
	kill     bool
	events   bool
	watch    time.Duration // between two looks; 0 for one look
	words    []string
	yes      bool
	netns    string
	jsonl    bool
	noHeader bool
}

func (a *app) listVerb() *cobra.Command {
	l := &list{app: a}
	cmd := &cobra.Command{
		Use:     "list [KIND...] [FILTER...]",
		Aliases: []string{"ls"},
		Short:   "List the sockets of this host, and the processes that hold them",
		Long: `list shows open sockets: the listening and unconnected ones, or all with --all.
Without permission to inspect other users' processes, it still shows what the
kernel says about their sockets, and says so.

A KIND is ` + kindWords() + `.

A FILTER is KEY=VALUE or KEY!=VALUE; a socket is listed if all filters match. A
value is one or more alternatives separated by commas (port=80,443), a range
(queue=1.., rtt=20ms..1s, lport=1024..49151), a prefix (peer=10.0.0.0/8), or a
word in which % or * matches anything (process=nginx%). The keys are port, addr
and queue, which match either end, and the columns, which 'zocalo list --columns
help' lists.

A filter on the state, the peer or a TCP measurement, and --group, imply --all.
--netns all lists the sockets of every network namespace, with its name (netns).

The kernel lists an MPTCP socket twice, the second time as the TCP socket that
carries it; if both kinds are asked for, list shows it once.

Running zocalo commands tell list of their ISO and XNS sockets (iso, ns), and of
their pairs: what relay has joined, and the connections of talk, listen, echo and
serve. Pairs are listed by the kind pair, and by --all without a filter.

--explain says in sentences what the kernel's figures mean: how fast a
connection goes, what limits it and for what share of the time (the receiver's
window, the sender's buffer, the rest), what it lost, what waits at both ends,
and for a listener how full its backlog is. Each names the columns it is made from.

--kill has the kernel close the sockets that the filter matches, without help from
the program that holds them (TCP and UDP sockets; needs root). It shows them
first and asks, unless --yes is given. Without a filter it does nothing. Where the
kernel cannot, it names the process that could.

--events prints TCP and UDP sockets as the kernel closes them, including those too
short-lived for any list, with what they moved; as JSON with --jsonl.

--watch is a live view on a terminal: rates of each connection, sort orders, a
filter that can be changed, explanations of the selected one; ? shows the keys.
Into a pipe, or with --jsonl, it prints what opened, changed and closed.

--json prints one array with an object for each socket; --jsonl prints the
objects alone, one per line, as they are found. Both print every column that has
a value, or those named by --columns.`,
		Example: `  zocalo list
  zocalo list tcp unix --all
  zocalo list tcp state=established port=443 process=nginx
  zocalo list peer=10.0.0.0/8 rtt=20ms.. --columns +rtt,cwnd --sort -rtt
  zocalo list --group process
  zocalo list pair --columns +bytes_sent,bytes_received,age
  zocalo list --explain tcp port=443
  zocalo list --watch 2s tcp process=nginx
  zocalo list --events --jsonl tcp lport=443
  zocalo list --kill state=close-wait process=myserver
  zocalo list --jsonl --all | jq -r 'select(.recvq > 0).local'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, flag := range [...]string{"columns", "sort", "group", "netns"} {
				if f := cmd.Flags().Lookup(flag); f.Changed && f.Value.String() == "" {
					return usagef("--%s has an empty value: give one, or omit it", flag)
				}
			}
			return l.run(cmd.Context(), withoutTime(cmd.Flags().Lookup("watch"), args))
		},
		ValidArgsFunction: completeList,
	}
	f := cmd.Flags()
	f.BoolVarP(&l.all, "all", "a", false, "list all sockets, connections included")
	f.StringVar(&l.columns, "columns", "", "`LIST` of columns to show; +NAME adds to the usual ones; help lists all")
	f.StringVar(&l.sort, "sort", "", "sort by this `LIST` of columns; -NAME is largest first")
	f.StringVar(&l.group, "group", "", "count the sockets by `KEY`: "+strings.Join(groupNames(), ", "))
	f.BoolVar(&l.resolve, "resolve", false, "show names of hosts and services instead of numbers")
	f.BoolVar(&l.explain, "explain", false, "explain in sentences what limits each socket, what it lost and what waits where")
	f.BoolVar(&l.events, "events", false, "print each TCP and UDP socket when it is closed, until interrupted")
	f.Var(value(&l.watch, 0, aTime), "watch", "refresh at this interval: a live view on a terminal, JSON lines into a pipe")
	f.Lookup("watch").NoOptDefVal = "1s"
	f.BoolVar(&l.kill, "kill", false, "close the sockets that the filter matches, after showing them and asking")
	f.BoolVar(&l.yes, "yes", false, "do not ask before --kill")
	f.StringVar(&l.netns, "netns", "", "network namespace: a `NAME` in /run/netns, a process id, a path, or all")
	f.BoolVar(&l.jsonl, "jsonl", false, "print one JSON object per line")
	f.BoolVar(&l.noHeader, "no-header", false, "omit the header line")
	complete := func(words []string) cobra.CompletionFunc {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	// The flags are there, so that this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("netns", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return append(sockstat.NetnsNames(), allNetns), cobra.ShellCompDirectiveDefault
	})
	_ = cmd.RegisterFlagCompletionFunc("columns", complete(append(columnNames(), "help")))
	_ = cmd.RegisterFlagCompletionFunc("sort", complete(columnNames()))
	_ = cmd.RegisterFlagCompletionFunc("group", complete(groupNames()))
	return cmd
}

// withoutTime sets --watch to the time among the words, as in --watch 2s, and returns the
// others: pflag takes the value of a flag that may have none only with a =.
func withoutTime(watch *pflag.Flag, words []string) []string {
	isTime := func(word string) bool { _, err := codec.ParseDuration(word); return err == nil }
	i := slices.IndexFunc(words, isTime)
	if !watch.Changed || i < 0 || watch.Value.Set(words[i]) != nil {
		return words
	}
	return slices.Concat(words[:i], words[i+1:])
}

// allNetns is the word of --netns for all network namespaces.
const allNetns = "all"

// listGC is by how many percent the heap grows between two collections (GOGC) while sockets are listed.
const listGC = 10

// run lists what the flags and words ask for.
func (l *list) run(ctx context.Context, args []string) error {
	if err := l.exclude(); err != nil {
		return err
	}
	words, err := parseListWords(args)
	if err != nil {
		return usageError{err}
	}
	if err := l.checkKill(words); err != nil {
		return err
	}
	if l.columns == "help" {
		return l.printColumns()
	}
	group, err := findGroup(l.group)
	if err != nil {
		return usageError{err}
	}
	order, err := parseOrder(l.sort)
	if err != nil {
		return usageError{err}
	}
	all := l.all || words.connections || group != nil || l.explain
	columns, err := chooseColumns(l.columns, all, l.netns == allNetns)
	if err != nil {
		return usageError{err}
	}
	q := words.query(all || l.events || l.watch != 0)
	if q.AllNetns = l.netns == allNetns; !q.AllNetns {
		q.Netns = l.netns
	}
	q.FoldSubflows = true
	if group != nil && q.Kinds == nil { // sockets are counted, and a pair is none
		q.Kinds = slices.DeleteFunc(sockstat.Kinds(), func(k sockstat.Kind) bool { return k == sockstat.Pair })
	}
	if !l.kill || words.ofPrograms() { // what the kernel has is meant, unless somebody asks for the others
		q.Programs = l.programs(q.AllNetns)
	}
	q.Note = func(n sockstat.Note) {
		lacking := n.Reason == sockstat.FromProc || n.Reason == sockstat.NotListed
		if lacking && len(n.Kinds) == 1 && words.kinds == nil {
			l.log.Debug(n.Text) // of little weight to anyone who did not ask for this kind
			return
		}
		if (n.Reason == sockstat.HiddenProcesses || n.Reason == sockstat.HiddenNetns) && os.Geteuid() == 0 {
			l.log.Debug(n.Text) // root can do no more about it
			return
		}
		l.note(n.Text)
	}

	if l.watch != 0 {
		l.words = args
		return l.watchSockets(ctx, q)
	}
	if l.events {
		return l.listEvents(ctx, q)
	}

	// What a listing holds stays, and sockets leave little to collect besides: memory is
	// that much smaller, and no time is lost.
	defer debug.SetGCPercent(debug.SetGCPercent(listGC))
	out := bufferedOutput(l.app)
	var names *resolver
	if l.resolve {
		names = newResolver(net.DefaultResolver.LookupAddr, l.note)
	}
	var run func(context.Context, sockstat.Query) (int, error)
	switch o := (&ordering{order: order, resolver: names}); {
	case group != nil:
		q.Details = group.needs
		run = (&groupCounter{list: l, out: out, group: group}).run
	case l.kill:
		k := &listKiller{list: l, out: out, order: order}
		if l.json || l.jsonl {
			k.columns = l.jsonColumns(columns)
		} else {
			k.show = &tableSink{list: l, columns: columns, table: l.newTable(out)}
		}
		q.Details = needs(shown(columns)) | needs(k.columns)
		run = k.run
	case l.explain:
		run = (&listExplainer{list: l, out: out}).run
	case l.json || l.jsonl:
		s := &jsonSink{out: out, lines: l.jsonl, columns: l.jsonColumns(columns), resolver: names}
		q.Details = needs(s.columns)
		o.sink, run = s, o.list
	default:
		q.Details = needs(shown(columns))
		o.sink = &tableSink{list: l, columns: columns, table: l.newTable(out), resolver: names}
		run = o.list
	}
	for _, key := range order {
		q.Details |= key.column.Needs
	}
	n, err := run(ctx, q)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return err
	}
	if n == 0 && !all && len(args) > 0 {
		l.note("no listening socket matches: --all searches the others too")
	}
	l.log.Debug("listed", "sockets", n)
	return nil
}

// jsonColumns are the columns of JSON: all, or those that were chosen.
func (l *list) jsonColumns(columns []shownColumn) []*sockstat.Column {
	if l.columns == "" {
		return sockstat.JSONColumns()
	}
	return shown(columns)
}

// exclude refuses flags that do not go together.
func (l *list) exclude() error {
	asJSON := l.json || l.jsonl
	for _, wrong := range []struct {
		is   bool
		text string
	}{
		{l.json && l.jsonl, "--json prints one array and --jsonl one object per line: give one"},
		{asJSON && l.noHeader, "--no-header is for tables: JSON has no header"},
		{asJSON && strings.HasPrefix(l.columns, "+"), "--columns: JSON has all columns: omit the + to choose, or omit --columns for all"},
		{l.group != "" && l.columns != "", "--columns cannot be used with --group, which only counts"},
		{l.group != "" && l.sort != "", "--sort cannot be used with --group: the largest group comes first"},
		{l.events && (l.columns != "" || l.sort != "" || l.group != "" || l.resolve || l.noHeader || l.explain || l.kill), "--events prints one line per socket: it takes only --netns, --json and --jsonl"},
		{l.watch < 0 || l.watch > 0 && l.watch < 10*time.Millisecond, "--watch takes a time of 10ms or more, such as --watch 2s"},
		{l.watch != 0 && (l.columns != "" || l.sort != "" || l.group != "" || l.resolve || l.noHeader || l.explain || l.kill || l.events), "--watch takes only a filter, --netns, --json and --jsonl: orders and explanations are keys of the live view"},
		{l.explain && (l.columns != "" || l.sort != "" || l.group != "" || l.resolve || l.noHeader), "--explain prints sentences: it cannot be used with --columns, --sort, --group, --resolve or --no-header"},
		{l.group != "" && l.resolve, "--resolve cannot be used with --group"},
	} {
		if wrong.is {
			return usagef("%s", wrong.text)
		}
	}
	return nil
}

// printColumns explains the columns.
func (l *list) printColumns() error {
	if l.json || l.jsonl {
		return usagef("--columns help is plain text only: omit --json")
	}
	var b strings.Builder
	for _, c := range sockstat.Columns() {
		fmt.Fprintf(&b, "%-20s %s\n", c.Name, c.Doc)
	}
	return l.print(b.String())
}

func columnNames() []string {
	var names []string
	for _, c := range sockstat.Columns() {
		names = append(names, c.Name)
	}
	return names
}

func needs(columns []*sockstat.Column) (d sockstat.Details) {
	for _, c := range columns {
		d |= c.Needs
	}
	return d
}

// unknownColumn is the error for a name that no column has, and no key of a
// filter if what says so: it names the nearest, or where the names are.
func unknownColumn(what, name string, known []string) error {
	if near := nearest.Word(strings.ToLower(name), known); near != "" {
		return fmt.Errorf("unknown %s %q: did you mean %s?", what, name, near)
	}
	return fmt.Errorf("unknown %s %q: 'zocalo list --columns help' lists them all", what, name)
}

// findColumn finds a column for a flag.
func findColumn(flag, name string) (*sockstat.Column, error) {
	for _, c := range sockstat.Columns() {
		if c.Name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", flag, unknownColumn("column", name, columnNames()))
}

// parseOrder reads --sort.
func parseOrder(text string) ([]orderKey, error) {
	if text == "" {
		return nil, nil
	}
	var order []orderKey
	for name := range strings.SplitSeq(text, ",") {
		name, down := strings.CutPrefix(name, "-")
		c, err := findColumn("--sort", name)
		if err != nil {
			return nil, err
		}
		order = append(order, orderKey{c, down})
	}
	return order, nil
}

// chooseColumns reads --columns: names, or after a + names besides the usual ones.
func chooseColumns(text string, all, allNetns bool) ([]shownColumn, error) {
	var columns []shownColumn
	names, add := strings.CutPrefix(text, "+")
	if text == "" || add {
		columns = usualColumns(all, allNetns)
	}
	if text == "" {
		return columns, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		c, err := findColumn("--columns", name)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(columns, func(s shownColumn) bool { return s.Column == c })
		switch {
		case i < 0:
			columns = append(columns, shownColumn{Column: c})
		case columns[i].leave > 0:
			columns[i].leave = 0 // asked for by name: it stays
		case add:
		default:
			return nil, fmt.Errorf("--columns: %s is given twice", name)
		}
	}
	return columns, nil
}

// bufferedOutput writes results to standard output, many at once.
func bufferedOutput(a *app) *bufio.Writer { return bufio.NewWriterSize(resultWriter{a}, 64<<10) }

// resultWriter is standard output as app.print writes it.
type resultWriter struct{ a *app }

func (w resultWriter) Write(b []byte) (int, error) {
	n, err := w.a.out.Write(b)
	return n, outputError(err)
}
