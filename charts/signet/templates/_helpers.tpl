{{/* Labels of everything: (list . "component") */}}
{{- define "signet.labels" -}}
{{- $root := index . 0 -}}
{{ include "signet.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{/* Labels that selectors use; they never change: (list . "component") */}}
{{- define "signet.selector" -}}
app.kubernetes.io/name: signet
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Image, and what every container has that is not the node plugin: root of the chart */}}
{{- define "signet.container" -}}
image: {{ include "signet.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- define "signet.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Of a pod that talks to the API server: root of the chart. The token is projected here rather than
     mounted by default, so that it lives for an hour only. */}}
{{- define "signet.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
nodeSelector: { kubernetes.io/os: linux }
volumes:
  # Read by the client of the API server, written by the kubelet.
  - name: api-access
    projected:
      defaultMode: 0444
      sources:
        - serviceAccountToken: { path: token, expirationSeconds: 3600 }
        - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
{{- end }}

{{- define "signet.apiAccessMount" -}}
- { name: api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
{{- end }}

{{/* Flags that all commands with a client of the API server have: root of the chart */}}
{{- define "signet.clusterArgs" -}}
- --trust-domain={{ required "trustDomain must be set" .Values.trustDomain }}
- --namespace={{ .Release.Namespace }}
- --api-server=https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)
- --cluster-domain={{ .Values.clusterDomain }}
- --log-level={{ .Values.logLevel }}
{{- end }}

{{/* Flags of those that decide identities: root of the chart */}}
{{- define "signet.identityArgs" -}}
- --cluster-name={{ .Values.clusterName }}
- --profile={{ .Values.profile }}
- --driver-name={{ .Values.driverName }}
{{- /* Whoever had such a name in an SVID could pass for us where only names are looked at. */}}
{{- $domain := .Values.clusterDomain }}
{{- $namespace := .Release.Namespace }}
{{- range list "signet-issuer" "signet-webhook" "signet-oidc" "signet-bundle-endpoint" "signet-crl" }}
- --reserved-dns-name={{ . }}.{{ $namespace }}
- --reserved-dns-name={{ . }}.{{ $namespace }}.svc
- --reserved-dns-name={{ . }}.{{ $namespace }}.svc.{{ $domain }}
{{- end }}
{{- range .Values.classNames }}
- {{ printf "--class-name=%s" . | quote }}
{{- end }}
{{- range .Values.ignoreNamespaces }}
- {{ printf "--ignore-namespace=%s" . | quote }}
{{- end }}
{{- range .Values.jwtClaims }}
- {{ printf "--jwt-claim=%s" . | quote }}
{{- end }}
{{- if .Values.ignoreClassless }}
- --ignore-classless
{{- end }}
{{- end }}
