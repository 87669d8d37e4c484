{{/* Flags of the controller for other trust domains: root of the chart. */}}
{{- define "signet.federationArgs" -}}
{{- range .Values.federation.allowCIDRs }}
- --federation-allow-cidr={{ . }}
{{- end }}
{{- if .Values.federation.webCAConfigMap }}
- --federation-web-ca=/run/signet/federation-web-ca/ca.crt
{{- end }}
{{- with .Values.federation.bundleEndpoint }}
{{- if .enabled }}
- --bundle-endpoint={{ .profile }}
- --bundle-refresh-hint={{ .refreshHint }}
{{- if eq .profile "https_web" }}
{{- $_ := required "federation.bundleEndpoint.tlsSecret is needed with https_web" .tlsSecret }}
- --bundle-endpoint-tls-dir=/run/signet/bundle-endpoint-tls
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "signet.federationVolumes" -}}
{{- with .Values.federation.webCAConfigMap }}
- name: federation-web-ca
  configMap: { name: {{ . }}, defaultMode: 0444 }
{{- end }}
{{- with .Values.federation.bundleEndpoint }}
{{- if and .enabled (eq .profile "https_web") }}
- name: bundle-endpoint-tls
  secret:
    secretName: {{ .tlsSecret }}
    defaultMode: 0444
    # Pods start without it; the bundle is served as soon as it is there.
    optional: true
{{- end }}
{{- end }}
{{- end }}

{{- define "signet.federationMounts" -}}
{{- if .Values.federation.webCAConfigMap }}
- { name: federation-web-ca, mountPath: /run/signet/federation-web-ca, readOnly: true }
{{- end }}
{{- with .Values.federation.bundleEndpoint }}
{{- if and .enabled (eq .profile "https_web") }}
- { name: bundle-endpoint-tls, mountPath: /run/signet/bundle-endpoint-tls, readOnly: true }
{{- end }}
{{- end }}
{{- end }}
