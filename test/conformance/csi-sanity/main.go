// Runs csi-sanity against the node plugin. What a node-only driver of ephemeral inline volumes does
// not have is played here: a controller that hands out the kubelet's volume ids and pod info, the
// kubelet's directories, and a proxy that turns sanity's requests into the kubelet's.
//
// usage: csi-sanity KUBELET_ROOT CSI_SOCKET
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const volumeName = "spiffe-workload-api"

// One pod a test: a fresh target directory is a fresh pod.
type kubelet struct {
	root string
	pods int
}

func (k *kubelet) podUID() string {
	return fmt.Sprintf("00000000-0000-0000-0000-%012d", k.pods)
}

func (k *kubelet) createTargetDir(string) (string, error) {
	k.pods++
	path := filepath.Join(k.root, "pods", k.podUID(), "volumes", "kubernetes.io~csi", volumeName)
	return path, os.MkdirAll(path, 0o750)
}

// What the driver leaves behind makes this fail, and the caller finds it.
func (k *kubelet) removeTargetDir(path string) error {
	return os.Remove(path)
}

func (k *kubelet) checkPath(path string) (sanity.PathKind, error) {
	info, err := os.Lstat(mountOf(path))
	if errors.Is(err, os.ErrNotExist) {
		return sanity.PathIsNotFound, nil
	}
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return sanity.PathIsDir, nil
	}
	return sanity.PathIsOther, nil
}

// Sanity calls the directory "target", the kubelet "mount".
func mountOf(path string) string {
	if parent, found := strings.CutSuffix(path, "/target"); found {
		return parent + "/mount"
	}
	return path
}

type controller struct {
	csi.UnimplementedControllerServer
	kubelet *kubelet
}

func (c *controller) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	return &csi.ControllerGetCapabilitiesResponse{}, nil
}

func (c *controller) CreateVolume(
	context.Context, *csi.CreateVolumeRequest,
) (*csi.CreateVolumeResponse, error) {
	uid := c.kubelet.podUID()
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: fmt.Sprintf("csi-%x", sha256.Sum256([]byte(uid+volumeName))),
		VolumeContext: map[string]string{
			"csi.storage.k8s.io/pod.name":            "sanity",
			"csi.storage.k8s.io/pod.namespace":       "default",
			"csi.storage.k8s.io/pod.uid":             uid,
			"csi.storage.k8s.io/serviceAccount.name": "default",
			"csi.storage.k8s.io/ephemeral":           "true",
		},
	}}, nil
}

func (c *controller) DeleteVolume(
	context.Context, *csi.DeleteVolumeRequest,
) (*csi.DeleteVolumeResponse, error) {
	return &csi.DeleteVolumeResponse{}, nil
}

// Stands between sanity and the plugin; errors pass through as they are.
type proxy struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	identity csi.IdentityClient
	node     csi.NodeClient
}

func (p *proxy) GetPluginInfo(
	ctx context.Context, request *csi.GetPluginInfoRequest,
) (*csi.GetPluginInfoResponse, error) {
	return p.identity.GetPluginInfo(ctx, request)
}

// With a controller played beside it, the driver as sanity sees it has one.
func (p *proxy) GetPluginCapabilities(
	ctx context.Context, request *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	response, err := p.identity.GetPluginCapabilities(ctx, request)
	if err != nil {
		return nil, err
	}
	service := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	response.Capabilities = append(response.Capabilities,
		&csi.PluginCapability{Type: &csi.PluginCapability_Service_{Service: service}})
	return response, nil
}

func (p *proxy) Probe(
	ctx context.Context, request *csi.ProbeRequest,
) (*csi.ProbeResponse, error) {
	return p.identity.Probe(ctx, request)
}

func (p *proxy) NodeGetCapabilities(
	ctx context.Context, request *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	return p.node.NodeGetCapabilities(ctx, request)
}

func (p *proxy) NodeGetInfo(
	ctx context.Context, request *csi.NodeGetInfoRequest,
) (*csi.NodeGetInfoResponse, error) {
	return p.node.NodeGetInfo(ctx, request)
}

func (p *proxy) NodePublishVolume(
	ctx context.Context, request *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	request.TargetPath = mountOf(request.TargetPath)
	request.Readonly = true
	return p.node.NodePublishVolume(ctx, request)
}

func (p *proxy) NodeUnpublishVolume(
	ctx context.Context, request *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	request.TargetPath = mountOf(request.TargetPath)
	return p.node.NodeUnpublishVolume(ctx, request)
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type testing struct{ failed bool }

func (t *testing) Fail() { t.failed = true }

func run(root, socket string) error {
	connection, err := grpc.NewClient("unix://"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	kubelet := &kubelet{root: root}
	between := &proxy{
		identity: csi.NewIdentityClient(connection),
		node:     csi.NewNodeClient(connection),
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, between)
	csi.RegisterNodeServer(server, between)
	csi.RegisterControllerServer(server, &controller{kubelet: kubelet})
	address := filepath.Join(root, "sanity.sock")
	listener, err := net.Listen("unix", address)
	if err != nil {
		return err
	}
	go server.Serve(listener)
	defer server.Stop()

	config := sanity.NewTestConfig()
	config.Address = "unix://" + address
	config.StagingPath = filepath.Join(root, "staging")
	config.CreateTargetDir = kubelet.createTargetDir
	config.RemoveTargetPath = kubelet.removeTargetDir
	config.CheckPath = kubelet.checkPath
	context := sanity.GinkgoTest(&config)
	defer context.Finalize()
	ginkgo.ReportAfterSuite("results", report)
	gomega.RegisterFailHandler(ginkgo.Fail)
	result := &testing{}
	if !ginkgo.RunSpecs(result, "CSI sanity") || result.failed {
		return errors.New("csi-sanity failed")
	}
	return nil
}

// One line of JSON for each test.
func report(report ginkgo.Report) {
	for _, spec := range report.SpecReports {
		if spec.LeafNodeType.String() != "It" {
			continue
		}
		line, _ := json.Marshal(map[string]string{
			"name":    spec.FullText(),
			"state":   spec.State.String(),
			"message": spec.FailureMessage(),
		})
		// Ginkgo leaves its progress dots on an open line.
		fmt.Printf("\nRESULT %s\n", line)
	}
}
