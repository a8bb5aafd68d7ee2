package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zocalo/internal/nearest"
	"zocalo/service/admin"
)

// ctlPatience bounds what ctl waits for: a reload may have names to look up.
const ctlPatience = 30 * time.Second

// ctl is the verb ctl: it speaks to a zocalo that runs services.
type ctl struct {
	*app
	at        string
	tokenFile string
}

// requests are what can be asked, with the field of the API that a word more fills.
var requests = []struct{ word, path, field, short string }{
	{"status", "", "", "show the services, their upstreams and totals"},
	{"reload", "/v1/reload", "", "load the file again; if it is wrong, the old services stay"},
	{"drain", "/v1/drain", "service", "accept no more for a service, and let open pairs finish"},
	{"eject", "/v1/eject", "upstream", "send no new pairs to an upstream: ADDRESS or SERVICE/ADDRESS"},
	{"restore", "/v1/restore", "upstream", "send new pairs to an ejected upstream again"},
	{"log-level", "/v1/log-level", "level", "change what is logged: debug, info, warn or error"},
}

func (a *app) ctlVerb() *cobra.Command {
	c := &ctl{app: a}
	var table strings.Builder
	for _, r := range requests {
		word := r.word
		if r.field != "" {
			word += " NAME"
		}
		fmt.Fprintf(&table, "  %-16s %s\n", word, r.short)
	}
	cmd := &cobra.Command{
		Use:   "ctl REQUEST [NAME]",
		Short: "Query and control a running 'zocalo run'",
		Long: `ctl speaks to the admin socket of a running 'zocalo run', which only its own user
and root can use. If this user has one running, ctl finds it; otherwise --socket
says which. The requests are:

` + table.String(),
		Example: `  zocalo ctl status
  zocalo ctl status --json | jq '.services[] | {name, open}'
  zocalo ctl reload
  zocalo ctl drain web
  zocalo ctl eject web/tcp:10.0.0.2:80
  zocalo ctl log-level debug`,
		Args: func(_ *cobra.Command, args []string) error {
			_, err := requestOf(args)
			return err
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (words []string, _ cobra.ShellCompDirective) {
			for _, r := range requests {
				if len(args) == 0 {
					words = append(words, r.word+"\t"+r.short)
				}
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	cmd.Flags().StringVar(&c.at, "socket", "", "admin `SOCKET`, or HOST:PORT of --admin")
	cmd.Flags().StringVar(&c.tokenFile, "token-file", "", "`FILE` with the token, for HOST:PORT")
	return cmd
}

// requestOf is what the arguments ask for, as an index of requests.
func requestOf(args []string) (int, error) {
	if len(args) == 0 {
		return 0, errors.New("no request given: write ctl status")
	}
	var words []string
	for i, r := range requests {
		words = append(words, r.word)
		switch {
		case r.word != args[0]:
		case r.field == "" && len(args) > 1:
			return 0, fmt.Errorf("%s takes no name: omit %q", r.word, args[1])
		case r.field != "" && len(args) != 2:
			return 0, fmt.Errorf("%s takes one %s: write ctl %s %s", r.word, r.field, r.word, strings.ToUpper(r.field))
		default:
			return i, nil
		}
	}
	return 0, nearest.Unknown("request", args[0], words)
}

func (c *ctl) run(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, ctlPatience)
	defer cancel()
	client, err := c.client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	i, err := requestOf(args)
	switch r := requests[i]; {
	case err != nil:
		return err
	case r.path == "":
		return c.status(ctx, client)
	case r.field == "":
		return client.Post(ctx, r.path, nil)
	default:
		return client.Post(ctx, r.path, map[string]string{r.field: args[1]})
	}
}

// client is that of the server to speak to.
func (c *ctl) client(ctx context.Context) (*admin.Client, error) {
	token := ""
	if c.tokenFile != "" {
		b, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, err
		}
		token = strings.TrimSpace(string(b))
	}
	if admin.IsHostPort(c.at) && token == "" {
		return nil, usagef("--socket %s: a token is needed: give --token-file FILE", c.at)
	}
	if c.at != "" {
		return admin.NewClient(c.at, token), nil
	}
	paths, err := admin.Find(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(paths) == 0:
		return nil, errors.New("no 'zocalo run' of this user is running: start one, or give --socket")
	case len(paths) > 1:
		return nil, usagef("%d are running: give --socket, one of %s", len(paths), strings.Join(paths, ", "))
	}
	return admin.NewClient(paths[0], ""), nil
}

func (c *ctl) status(ctx context.Context, client *admin.Client) error {
	var s admin.Status
	if err := client.Get(ctx, "/v1/status", &s); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(s)
	}
	// All rows have all cells, or the columns would not stand under each other.
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tFROM\tOPEN\tENDED\tFAILED\tUP")
	var down []string
	for _, v := range s.Services {
		up := 0
		for _, u := range v.Upstreams {
			if u.Up {
				up++
			} else {
				down = append(down, v.Name+"/"+u.Address+": "+u.Why)
			}
		}
		health := "-"
		if n := len(v.Upstreams); n > 0 {
			health = fmt.Sprintf("%d of %d", up, n)
		}
		if v.State != "" {
			health = v.State
		}
		for i, from := range slices.Concat(v.From, make([]string, max(1-len(v.From), 0))) {
			if i == 0 {
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", legible(v.Name), legible(from), v.Open, v.Ended, v.Failed, legible(health))
			} else {
				fmt.Fprintf(w, "\t%s\t\t\t\t\n", legible(from))
			}
		}
	}
	w.Flush()
	var out strings.Builder
	for line := range strings.Lines(table.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	for _, d := range down {
		out.WriteString("down: " + legible(d) + "\n")
	}
	return c.print(out.String())
}
