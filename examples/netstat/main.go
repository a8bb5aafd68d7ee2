// Netstat lists what listens on this machine, and which program it is.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"zocalo/sockstat"
)

func main() {
	log.SetFlags(0)
	if err := list(context.Background()); err != nil {
		log.Fatalf("netstat: %v", err)
	}
}

func list(ctx context.Context) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "KIND\tADDRESS\tPROGRAM")
	q := sockstat.Query{
		States:  []sockstat.State{sockstat.Listen},
		Details: sockstat.Processes,
		Note:    func(n sockstat.Note) { log.Print(n.Text) },
	}
	for s, err := range sockstat.Sockets(ctx, q) {
		if err != nil {
			return err
		}
		var programs []string
		for _, h := range s.Holders {
			programs = append(programs, fmt.Sprintf("%s (%d)", sockstat.Quote(h.Name), h.PID))
		}
		fmt.Fprintf(out, "%v\t%v\t%s\n", s.Kind, s.Local, strings.Join(slices.Compact(programs), ", "))
	}
	return out.Flush()
}
