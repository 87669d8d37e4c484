// A peer of the matrix, by go-spiffe: it follows its identity, answers by mTLS, and does what its
// standard input asks for, one JSON object a line (see ../peer.ts).

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const patience = 10 * time.Second

type fields map[string]any

type order struct {
	N        int    `json:"n"`
	Do       string `json:"do"`
	Address  string `json:"address"`
	Expect   string `json:"expect"`
	Audience string `json:"audience"`
	Token    string `json:"token"`
}

var output sync.Mutex

func emit(line fields) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

type peer struct {
	client *workloadapi.Client
	x509   *workloadapi.X509Source
	jwt    *workloadapi.JWTSource
}

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string) error {
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(address))
	if err != nil {
		return err
	}
	x509, err := workloadapi.NewX509Source(ctx, workloadapi.WithClient(client))
	if err != nil {
		return err
	}
	jwt, err := workloadapi.NewJWTSource(ctx, workloadapi.WithClient(client))
	if err != nil {
		return err
	}
	self := &peer{client: client, x509: x509, jwt: jwt}
	if err := self.serve(ctx); err != nil {
		return err
	}
	go func() { _ = client.WatchX509Context(ctx, watcher{}) }()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked order
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		go self.answer(ctx, asked)
	}
	return lines.Err()
}

type watcher struct{}

func (watcher) OnX509ContextUpdate(update *workloadapi.X509Context) {
	svid := update.DefaultSVID()
	emit(fields{"svid": svid.ID.String(), "serial": svid.Certificates[0].SerialNumber.Text(16)})
}

func (watcher) OnX509ContextWatchError(error) {}

func (p *peer) serve(ctx context.Context) error {
	svid, err := p.x509.GetX509SVID()
	if err != nil {
		return err
	}
	mode := spiffetls.MTLSServerWithSource(tlsconfig.AuthorizeMemberOf(svid.ID.TrustDomain()), p.x509)
	listener, err := spiffetls.ListenWithMode(ctx, "tcp", "127.0.0.1:0", mode)
	if err != nil {
		return err
	}
	emit(fields{"listening": listener.Addr().(*net.TCPAddr).Port})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go tell(conn)
		}
	}()
	return nil
}

// tell answers a line with the ID of whoever wrote it.
func tell(conn net.Conn) {
	defer conn.Close()
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		return
	}
	if id, err := spiffetls.PeerIDFromConn(conn); err == nil {
		_, _ = io.WriteString(conn, id.String()+"\n")
	}
}

func (p *peer) answer(ctx context.Context, asked order) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	result, err := p.do(ctx, asked)
	if err != nil {
		result = fields{"error": err.Error()}
	}
	result["n"] = asked.N
	emit(result)
}

func (p *peer) do(ctx context.Context, asked order) (fields, error) {
	switch asked.Do {
	case "dial":
		return p.dial(ctx, asked)
	case "token":
		svid, err := p.client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: asked.Audience})
		if err != nil {
			return nil, err
		}
		return fields{"token": svid.Marshal()}, nil
	case "check":
		byServer, err := p.client.ValidateJWTSVID(ctx, asked.Token, asked.Audience)
		if err != nil {
			return nil, err
		}
		local, err := jwtsvid.ParseAndValidate(asked.Token, p.jwt, []string{asked.Audience})
		if err != nil {
			return nil, err
		}
		return fields{"byServer": byServer.ID.String(), "local": local.ID.String()}, nil
	}
	return nil, fmt.Errorf("cannot do %q", asked.Do)
}

func (p *peer) dial(ctx context.Context, asked order) (fields, error) {
	expected, err := spiffeid.FromString(asked.Expect)
	if err != nil {
		return nil, err
	}
	mode := spiffetls.MTLSClientWithSource(tlsconfig.AuthorizeID(expected), p.x509)
	conn, err := spiffetls.DialWithMode(ctx, "tcp", asked.Address, mode)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "who am I\n"); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return nil, err
	}
	id, err := spiffetls.PeerIDFromConn(conn)
	if err != nil {
		return nil, err
	}
	return fields{"peer": id.String(), "toldAs": line[:len(line)-1]}, nil
}
