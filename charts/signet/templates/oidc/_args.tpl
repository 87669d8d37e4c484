{{/* Flags of the controller for OpenID Connect: root of the chart. The names of its Service are always
     answered: what stands before it may ask by them. */}}
{{- define "signet.oidcArgs" -}}
{{- if .Values.oidc.enabled -}}
- --jwt-issuer={{ required "oidc.enabled needs jwtIssuer" .Values.jwtIssuer }}
{{- $namespace := .Release.Namespace }}
- --oidc-host=signet-oidc.{{ $namespace }}
- --oidc-host=signet-oidc.{{ $namespace }}.svc
- --oidc-host=signet-oidc.{{ $namespace }}.svc.{{ .Values.clusterDomain }}
{{- range .Values.oidc.hosts }}
- --oidc-host={{ . }}
{{- end }}
{{- if .Values.oidc.tlsSecret }}
- --oidc-tls-dir=/run/signet/oidc-tls
{{- end }}
{{- end -}}
{{- end }}
