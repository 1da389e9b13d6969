{{- define "hardlink-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "hardlink-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "hardlink-exporter.selector" -}}
app.kubernetes.io/name: {{ include "hardlink-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "hardlink-exporter.labels" -}}
{{ include "hardlink-exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "hardlink-exporter.serviceAccount" -}}
{{- default (ternary (include "hardlink-exporter.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "hardlink-exporter.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A liveness or readiness probe; called with the context and the path. */}}
{{- define "hardlink-exporter.probe" -}}
{{- $values := (index . 0).Values -}}
{{- if eq $values.web.probes "connect" -}}
tcpSocket:
  port: metrics
{{- else -}}
httpGet:
  path: {{ index . 1 }}
  port: metrics
  scheme: {{ upper $values.web.scheme }}
{{- end }}
timeoutSeconds: 5
periodSeconds: 15
failureThreshold: 4
{{- end -}}

{{/* What no schema can say in clear words: values that do not go together. */}}
{{- define "hardlink-exporter.check" -}}
{{- with .Values -}}
{{- if and (not .web.configSecret) (or (eq .web.scheme "https") (eq .web.probes "connect")) -}}
{{- fail "web.scheme https and web.probes connect are for a web configuration: name its Secret in web.configSecret" -}}
{{- end -}}
{{- range .extraArgs -}}
{{- if regexMatch "^--(web\\.listen-address|web\\.telemetry-path|web\\.config\\.file|config\\.file|config\\.check|path\\.rootfs|log\\.level|log\\.format)(=|$)" . -}}
{{- fail (printf "extraArgs: %s is set by the chart; use port, web, config, hostPaths or log" .) -}}
{{- end -}}
{{- end -}}
{{- if .monitor.enabled -}}
{{- if and (eq .monitor.kind "ServiceMonitor") (not .service.enabled) -}}
{{- fail "monitor.kind ServiceMonitor finds its targets through the Service: set service.enabled, or use PodMonitor" -}}
{{- end -}}
{{- /* 60 samples for a root, 20 for the process, two for an image. */ -}}
{{- $samples := mul (max 1 (len (dig "roots" list .config))) (add 80 (mul 2 (dig "metrics" "images" 10 .config))) -}}
{{- if gt $samples (int64 .monitor.sampleLimit) -}}
{{- fail (printf "monitor.sampleLimit: config.roots and config.metrics.images give up to %d samples, and a scrape above the limit is lost whole" $samples) -}}
{{- end -}}
{{- if and (eq .web.scheme "https") (not .monitor.tlsConfig) -}}
{{- fail "monitor.tlsConfig is empty, but web.scheme is https: targets are addresses of pods, so say serverName and ca, or insecureSkipVerify" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
