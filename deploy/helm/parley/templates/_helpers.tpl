{{- define "parley.select" -}}
app.kubernetes.io/name: parley
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "parley.labels" -}}
{{ include "parley.select" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "parley.name" -}}
{{ .root.Release.Name }}-{{ .part }}
{{- end }}

{{/* All that is the same for the pods of every part. */}}
{{- define "parley.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "parley.select" . | nindent 8 }}
{{- end }}

{{- define "parley.container" -}}
image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "parley.env" -}}
{{- range $name, $value := . }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{/* A pod of control or of a worker, which differ in their command and port. */}}
{{- define "parley.service-pod" -}}
metadata:
  labels: {{- include "parley.labels" . | nindent 4 }}
spec:
  {{- include "parley.pod" . | nindent 2 }}
  terminationGracePeriodSeconds: 60
  containers:
    - name: {{ .part }}
      args: [{{ .part }}]
      {{- include "parley.container" . | nindent 6 }}
      envFrom:
        - secretRef: {name: {{ .root.Values.settings }}}
      env:
        - {name: PARLEY_PUBLIC_URL, value: "https://{{ .root.Values.host }}"}
        - {name: PARLEY_TRUSTED_PROXIES, value: {{ .root.Values.trustedProxies | quote }}}
        {{- include "parley.env" .root.Values.control.env | nindent 8 }}
      ports:
        - {name: http, containerPort: {{ .port }}}
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: http}
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
      lifecycle:
        preStop:
          # Until the proxies have heard that this one goes.
          exec: {command: [sleep, "5"]}
      resources: {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - {name: data, mountPath: /var/lib/parley}
        - {name: tmp, mountPath: /tmp}
        {{- range list "ticket-signing.pem" "ticket-verifying.pem" "cluster.secret" "session.secret" }}
        - {name: secrets, mountPath: /var/lib/parley/{{ . }}, subPath: {{ . }}, readOnly: true}
        {{- end }}
  volumes:
    - {name: data, emptyDir: {}}
    - {name: tmp, emptyDir: {}}
    - name: secrets
      secret: {secretName: {{ .root.Values.secrets }}, defaultMode: 0440}
{{- end }}
