package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zocalo/address"
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
	netns    string
	jsonl    bool
	noHeader bool
}

func (a *app) listVerb() *cobra.Command {
	l := &list{app: a}
	cmd := &cobra.Command{
		Use:   "list [KIND...] [FILTER...]",
		Short: "List the sockets of this host, and the processes that hold them",
		Long: `list shows the sockets that are open: those that wait for whoever comes, or all
with --all. Without the right to look into other users' processes it still
shows what the kernel tells of their sockets, and says so.

A KIND is ` + kindWords() + `.

A FILTER is KEY=VALUE or KEY!=VALUE; a socket is listed when all filters agree.
A value is one or more alternatives with commas between (port=80,443), a range
(queue=1.., rtt=20ms..1s, lport=1024..49151), a prefix (peer=10.0.0.0/8), or a
word in which % or * stands for anything (process=nginx%). The keys are port,
addr and queue, which look at both ends, and the columns, of which
'zocalo list --columns help' has the list.

A filter on the state, on the other end or on what TCP measures, and --group,
look among all sockets, without --all.

The kernel lists an MPTCP socket twice, the second time as the TCP socket that
carries it: where both kinds are asked for, list shows it once.

--json prints one value, an array with an object for each socket; --jsonl prints
the objects alone, one a line, as they come. Both have every column that has a
value, or those that --columns names.`,
		Example: `  zocalo list
  zocalo list tcp unix --all
  zocalo list tcp state=established port=443 process=nginx
  zocalo list peer=10.0.0.0/8 rtt=20ms.. --columns +rtt,cwnd --sort -rtt
  zocalo list --group process
  zocalo list --jsonl --all | jq -r 'select(.recvq > 0).local'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, flag := range [...]string{"columns", "sort", "group", "netns"} {
				if f := cmd.Flags().Lookup(flag); f.Changed && f.Value.String() == "" {
					return usagef("--%s has an empty value: leave it out, or say which", flag)
				}
			}
			return l.run(cmd.Context(), args)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return listCompletions(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&l.all, "all", "a", false, "list connections and all other sockets too")
	f.StringVar(&l.columns, "columns", "", "what to show: names with commas between, after a + besides what is shown anyway; or help")
	f.StringVar(&l.sort, "sort", "", "order by these columns, a - before a name for largest first")
	f.StringVar(&l.group, "group", "", "count the sockets by "+strings.Join(groupNames(), ", "))
	f.BoolVar(&l.resolve, "resolve", false, "names of hosts and services in place of numbers")
	f.StringVar(&l.netns, "netns", "", "network namespace: a name in /run/netns, a process id or a path")
	f.BoolVar(&l.jsonl, "jsonl", false, "print a JSON object a line")
	f.BoolVar(&l.noHeader, "no-header", false, "no line with the names of the columns")
	complete := func(words []string) cobra.CompletionFunc {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	// The flags are there, so that this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("columns", complete(append(columnNames(), "help")))
	_ = cmd.RegisterFlagCompletionFunc("sort", complete(columnNames()))
	_ = cmd.RegisterFlagCompletionFunc("group", complete(groupNames()))
	return cmd
}

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
	all := l.all || words.connections || group != nil
	columns, err := chooseColumns(l.columns, all)
	if err != nil {
		return usageError{err}
	}
	q := words.query(all)
	q.Netns = l.netns
	q.FoldSubflows = true
	q.Note = func(n sockstat.Note) {
		lacking := n.Reason == sockstat.FromProc || n.Reason == sockstat.NotListed
		if lacking && len(n.Kinds) == 1 && words.kinds == nil {
			l.log.Debug(n.Text) // of little weight to who did not ask for this kind
			return
		}
		l.note(n.Text)
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
	case l.json || l.jsonl:
		s := &jsonSink{out: out, lines: l.jsonl, columns: sockstat.JSONColumns(), resolver: names}
		if l.columns != "" {
			s.columns = shown(columns)
		}
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
		l.note("no listening socket matches: --all looks among the others too")
	}
	l.log.Debug("listed", "sockets", n)
	return nil
}

// exclude refuses flags that do not go together.
func (l *list) exclude() error {
	asJSON := l.json || l.jsonl
	for _, wrong := range []struct {
		is   bool
		text string
	}{
		{l.json && l.jsonl, "--json prints one array and --jsonl a value a line: give one"},
		{asJSON && l.noHeader, "--no-header is for tables: JSON has no header"},
		{asJSON && strings.HasPrefix(l.columns, "+"), "--columns: JSON has all columns: leave the + out to choose, or --columns for all"},
		{l.group != "" && l.columns != "", "--columns does not go with --group, which counts"},
		{l.group != "" && l.sort != "", "--sort does not go with --group: the largest group comes first"},
		{l.group != "" && l.resolve, "--resolve does not go with --group"},
	} {
		if wrong.is {
			return usagef("%s", wrong.text)
		}
	}
	return nil
}

// note says in one line, on standard error, what makes a listing weaker.
func (l *list) note(text string) {
	switch {
	case l.quiet:
	case l.logFormat == "json":
		l.log.Warn(text)
	default:
		l.sayf("zocalo: %s", text)
	}
}

// printColumns explains the columns.
func (l *list) printColumns() error {
	if l.json || l.jsonl {
		return usagef("--columns help is for people: it has no JSON")
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
	if near := address.Nearest(strings.ToLower(name), known); near != "" {
		return fmt.Errorf("unknown %s %q: did you mean %s?", what, name, near)
	}
	return fmt.Errorf("unknown %s %q: 'zocalo list --columns help' lists those there are", what, name)
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
func chooseColumns(text string, all bool) ([]shownColumn, error) {
	var columns []shownColumn
	names, add := strings.CutPrefix(text, "+")
	if text == "" || add {
		columns = usualColumns(all)
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
			return nil, fmt.Errorf("--columns: %s is there twice", name)
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
