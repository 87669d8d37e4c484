{{- define "signet.authorityPod" -}}
metadata:
  labels: {{- include "signet.labels" (list . "authority") | nindent 4 }}
spec:
  serviceAccountName: signet-authority
  restartPolicy: OnFailure
  {{- include "signet.pod" . | nindent 2 }}
  containers:
    # It has no probes: it does what is due and ends.
    - name: authority
      {{- include "signet.container" . | nindent 6 }}
      args:
        - authority
        - rotate
        {{- include "signet.clusterArgs" . | nindent 8 }}
        {{- if and .Values.federation.bundleEndpoint.enabled (eq .Values.federation.bundleEndpoint.profile "https_spiffe") }}
        - --bundle-endpoint
        {{- end }}
        - --jwt-key-type={{ .Values.authority.jwtKeyType }}
        {{- range .Values.authority.extraArgs }}
        - {{ . | quote }}
        {{- end }}
      resources: {{- toYaml .Values.authority.resources | nindent 8 }}
      volumeMounts:
        {{- include "signet.apiAccessMount" . | nindent 8 }}
{{- end }}
