# Completion of leyden in zsh: eval "$(leyden completion zsh)"
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_leyden() {
  local line="${(j: :)words[1,CURRENT-1]} $PREFIX"
  local -a found
  found=("${(@f)$(COMP_LINE=$line ${words[1]} completion words 2>/dev/null)}")
  if [[ -n $found ]]; then
    compadd -Q -S '' -- $found
  else
    _files
  fi
}
compdef _leyden leyden
