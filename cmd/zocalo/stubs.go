package main

import "github.com/spf13/cobra"

func (a *app) talkVerb() *cobra.Command   { return &cobra.Command{Use: "talk"} }
func (a *app) listenVerb() *cobra.Command { return &cobra.Command{Use: "listen"} }
func (a *app) checkVerb() *cobra.Command  { return &cobra.Command{Use: "check"} }
