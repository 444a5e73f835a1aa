# Completion of leyden in bash: eval "$(leyden completion bash)"
_leyden() {
  local line=${COMP_LINE:0:COMP_POINT} breaks= word cut IFS=$'\n'
  word=${line##*[[:space:]]}
  COMPREPLY=($(COMP_LINE=$line "$1" completion words 2>/dev/null))
  # bash replaces only what follows the last of these signs
  [[ $COMP_WORDBREAKS == *=* ]] && breaks+="="
  [[ $COMP_WORDBREAKS == *:* ]] && breaks+=":"
  if [[ -n $breaks ]]; then
    cut=${word%"${word##*[$breaks]}"}
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
  fi
}
complete -o nospace -o default -F _leyden leyden
