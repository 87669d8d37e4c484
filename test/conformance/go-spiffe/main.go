// A workload written with go-spiffe: it asks the Workload API at a given address, or talks mTLS as a
// client or server, and prints what came of it as one JSON object a line.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const patience = 60 * time.Second

type result map[string]any

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: COMMAND ADDRESS [ARGUMENTS]"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command, address, args := os.Args[1], os.Args[2], os.Args[3:]
	commands := map[string]func(context.Context, string, []string) error{
		"fetch": fetch, "serve": serve, "dial": dial, "jwt": jwt, "watch": watch,
		"echo": echo, "call": call,
	}
	run, known := commands[command]
	if !known {
		fail(fmt.Errorf("no command %q", command))
	}
	if err := run(ctx, address, args); err != nil {
		fail(err)
	}
}

func fail(err error) {
	emit(result{"error": err.Error()})
	os.Exit(1)
}

var output sync.Mutex

func emit(fields result) {
	output.Lock()
	defer output.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(fields); err != nil {
		os.Exit(1)
	}
}

// fetch asks for everything of the X.509 profile once.
func fetch(ctx context.Context, address string, _ []string) error {
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(address))
	if err != nil {
		return err
	}
	defer client.Close()
	svid, err := client.FetchX509SVID(ctx)
	if err != nil {
		return err
	}
	x509Context, err := client.FetchX509Context(ctx)
	if err != nil {
		return err
	}
	bundles, err := client.FetchX509Bundles(ctx)
	if err != nil {
		return err
	}
	id, _, err := x509svid.Verify(svid.Certificates, bundles)
	if err != nil {
		return err
	}
	var ids []string
	for _, each := range x509Context.SVIDs {
		ids = append(ids, each.ID.String())
	}
	var domains []string
	for _, each := range bundles.Bundles() {
		domains = append(domains, each.TrustDomain().String())
	}
	emit(result{
		"id":           svid.ID.String(),
		"verified":     id.String(),
		"ids":          ids,
		"domains":      domains,
		"certificates": len(svid.Certificates),
		"seconds":      int(svid.Certificates[0].NotAfter.Sub(svid.Certificates[0].NotBefore).Seconds()),
	})
	return nil
}

// serve echoes lines to clients that have the expected ID until its input ends.
func serve(ctx context.Context, address string, args []string) error {
	expected, err := spiffeid.FromString(args[0])
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(address)))
	if err != nil {
		return err
	}
	defer source.Close()
	mode := spiffetls.MTLSServerWithSource(tlsconfig.AuthorizeID(expected), source)
	listener, err := spiffetls.ListenWithMode(ctx, "tcp", "127.0.0.1:0", mode)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	emit(result{"listening": listener.Addr().(*net.TCPAddr).Port})
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		emit(result{"refused": err.Error()})
		return
	}
	peer, err := spiffetls.PeerIDFromConn(conn)
	if err != nil {
		emit(result{"refused": err.Error()})
		return
	}
	emit(result{"peer": peer.String(), "line": line})
	_, _ = io.WriteString(conn, line)
}

// dial sends one line to a server that must have the expected ID.
func dial(ctx context.Context, address string, args []string) error {
	expected, err := spiffeid.FromString(args[1])
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(address)))
	if err != nil {
		return err
	}
	defer source.Close()
	mode := spiffetls.MTLSClientWithSource(tlsconfig.AuthorizeID(expected), source)
	conn, err := spiffetls.DialWithMode(ctx, "tcp", args[0], mode)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	peer, err := spiffetls.PeerIDFromConn(conn)
	if err != nil {
		return err
	}
	emit(result{"peer": peer.String(), "line": line})
	return nil
}

// jwt fetches a token, has the Workload API validate it, and validates it itself.
func jwt(ctx context.Context, address string, args []string) error {
	audience := args[0]
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(address))
	if err != nil {
		return err
	}
	defer client.Close()
	svid, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
	if err != nil {
		return err
	}
	token := svid.Marshal()
	byServer, err := client.ValidateJWTSVID(ctx, token, audience)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewJWTSource(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(address)))
	if err != nil {
		return err
	}
	defer source.Close()
	local, err := jwtsvid.ParseAndValidate(token, source, []string{audience})
	if err != nil {
		return err
	}
	_, foreignServer := client.ValidateJWTSVID(ctx, token, audience+"-other")
	_, foreignLocal := jwtsvid.ParseAndValidate(token, source, []string{audience + "-other"})
	_, forged := client.ValidateJWTSVID(ctx, token[:len(token)-8]+"AAAAAAAA", audience)
	emit(result{
		"fetched":       svid.ID.String(),
		"byServer":      byServer.ID.String(),
		"local":         local.ID.String(),
		"audience":      local.Audience,
		"foreignServer": text(foreignServer),
		"foreignLocal":  text(foreignLocal),
		"forged":        text(forged),
	})
	return nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

type watcher struct {
	ctx    context.Context
	serial chan string
}

func (w *watcher) send(value string) {
	select {
	case w.serial <- value:
	case <-w.ctx.Done():
	}
}

func (w *watcher) OnX509ContextUpdate(update *workloadapi.X509Context) {
	svid := update.DefaultSVID()
	_, _, err := x509svid.Verify(svid.Certificates, update.Bundles)
	emit(result{
		"id":      svid.ID.String(),
		"serial":  svid.Certificates[0].SerialNumber.String(),
		"verify":  text(err),
		"expired": time.Now().After(svid.Certificates[0].NotAfter),
	})
	w.send("update")
}

func (w *watcher) OnX509ContextWatchError(err error) {
	if w.ctx.Err() != nil {
		return // the end that watch asked for
	}
	emit(result{"watchError": err.Error()})
	w.send("error")
}

// watch prints a number of updates and errors, then ends.
func watch(ctx context.Context, address string, args []string) error {
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(address))
	if err != nil {
		return err
	}
	defer client.Close()
	watching, stop := context.WithCancel(ctx)
	seen := &watcher{ctx: watching, serial: make(chan string)}
	ended := make(chan error, 1)
	go func() { ended <- client.WatchX509Context(watching, seen) }()
	for range count {
		select {
		case <-seen.serial:
		case err := <-ended:
			stop()
			return err
		}
	}
	stop()
	<-ended
	return nil
}
