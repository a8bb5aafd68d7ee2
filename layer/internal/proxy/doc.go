// Package proxy is what the layers that connect through a proxy, or are one, have in
// common: destinations, the options of clients and of listeners, rules and users.
package proxy
