{{- define "signet.checkSpec" -}}
serviceAccountName: signet-check
restartPolicy: Never
{{- include "signet.pod" (index . 0) | nindent 0 }}
containers:
  # It has no probes: it looks once and ends.
  - name: check
    {{- include "signet.container" (index . 0) | nindent 4 }}
    args:
      - check
      - --namespace={{ (index . 0).Release.Namespace }}
      - --driver-name={{ (index . 0).Values.driverName }}
      - --api-server=https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)
      {{- range slice . 1 }}
      - {{ . }}
      {{- end }}
    resources:
      requests: { cpu: 20m, memory: 96Mi }
      limits: { memory: 512Mi }
    volumeMounts:
      {{- include "signet.apiAccessMount" (index . 0) | nindent 6 }}
{{- end }}
