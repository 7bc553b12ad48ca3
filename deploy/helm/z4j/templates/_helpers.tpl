{{/* Names and labels: `part` is web, housekeeping, signer or migrate. */}}
{{- define "z4j.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "z4j.selector" -}}
app.kubernetes.io/name: z4j
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "z4j.labels" -}}
{{ include "z4j.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* The pod's security: nobody, with nothing. */}}
{{- define "z4j.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "z4j.container" -}}
image: {{ printf "%s:%s" .Values.image.repository .Values.image.tag | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Secret volumes belong to root; the brain wants its keys for itself alone, so they are copied. */}}
{{- define "z4j.keys" -}}
- name: keys
  {{- include "z4j.container" . | nindent 2 }}
  command: [sh, -c, "umask 077 && mkdir -p /data/keys /data/secrets && cp -L /given/keys/* /data/keys/ && cp -L /given/secrets/* /data/secrets/"]
  volumeMounts:
    - {name: given, mountPath: /given, readOnly: true}
    - {name: data, mountPath: /data}
{{- end }}

{{- define "z4j.given" -}}
- secret:
    name: {{ .Values.secrets.keys }}
    items:
      - {key: root, path: keys/root}
      - {key: action, path: keys/action}
      - {key: log.pub, path: keys/log.pub}
      - {key: recovery.pub, path: keys/recovery.pub}
      - {key: django, path: secrets/django}
      - {key: fields, path: secrets/fields}
{{- end }}

{{- define "z4j.env" -}}
- name: Z4J_URL
  value: {{ .Values.url | quote }}
- name: Z4J_ALLOWED_HOSTS
  value: {{ concat (list (get (urlParse .Values.url) "hostname") "127.0.0.1") .Values.allowedHosts | join "," | quote }}
- name: Z4J_TRUSTED_PROXIES
  value: {{ .Values.trustedProxies | join "," | quote }}
- name: Z4J_ANCHOR_FILE
  value: "off"
- name: Z4J_CHANNEL_URL
  valueFrom:
    secretKeyRef: {name: {{ .Values.secrets.stores }}, key: channel-url}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The address of the database, as that key of the secret has it. */}}
{{- define "z4j.database" -}}
- name: Z4J_DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ .root.Values.secrets.stores }}, key: {{ .key }}}
{{- end }}
