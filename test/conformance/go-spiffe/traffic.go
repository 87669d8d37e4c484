// Traffic for as long as it is wanted: a server that echoes lines, and a client that calls again and
// again on new connections. Both take their socket from SPIFFE_ENDPOINT_SOCKET when ADDRESS is "env".

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const (
	callTimeout = 5 * time.Second
	reportEvery = time.Second
)

func sourceAt(ctx context.Context, address string) (*workloadapi.X509Source, error) {
	if address == "env" {
		return workloadapi.NewX509Source(ctx)
	}
	return workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(address)))
}

// echo LISTEN ID: answers clients that have the expected ID until it is ended.
func echo(_ context.Context, address string, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	expected, err := spiffeid.FromString(args[1])
	if err != nil {
		return err
	}
	source, err := sourceAt(ctx, address)
	if err != nil {
		return err
	}
	defer source.Close()
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(expected))
	listener, err := tls.Listen("tcp", args[0], config)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	emit(result{"listening": args[0]})
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
	}
}

type counts struct {
	calls, failures, rotations, peerRotations int
	own, peer                                 string
}

func (c *counts) add(own, peer string) {
	c.calls++
	if c.own != "" && c.own != own {
		c.rotations++
	}
	if c.peer != "" && c.peer != peer {
		c.peerRotations++
	}
	c.own, c.peer = own, peer
}

// call HOST:PORT ID EVERY-MS: prints its counts each second.
func call(_ context.Context, address string, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	expected, err := spiffeid.FromString(args[1])
	if err != nil {
		return err
	}
	every, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	source, err := sourceAt(ctx, address)
	if err != nil {
		return err
	}
	defer source.Close()
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(expected))
	var seen counts
	reported := time.Now()
	for ctx.Err() == nil {
		peer, err := callOnce(ctx, args[0], config)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			seen.failures++
			emit(result{"failure": err.Error()})
		} else {
			svid, err := source.GetX509SVID()
			if err != nil {
				return err
			}
			seen.add(svid.Certificates[0].SerialNumber.String(), peer)
		}
		if time.Since(reported) >= reportEvery {
			reported = time.Now()
			emit(result{
				"calls": seen.calls, "failures": seen.failures,
				"rotations": seen.rotations, "peerRotations": seen.peerRotations,
			})
		}
		select {
		case <-time.After(time.Duration(every) * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}

// callOnce returns the serial number of the server's certificate.
func callOnce(ctx context.Context, to string, config *tls.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	dialer := &tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(callTimeout))
	if _, err := io.WriteString(conn, "ping\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return "", err
	}
	if line != "ping\n" {
		return "", fmt.Errorf("answered %q", line)
	}
	peer := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	return peer.SerialNumber.String(), nil
}
