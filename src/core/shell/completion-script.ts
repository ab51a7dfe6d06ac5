/**
 * Completion for the caller's own shell: small scripts that ask `carpctl completion words` what may
 * come next, so that the words are in one place. Pure.
 */
import type {CompletionShell} from "../cli-values.ts";

const bash = `# bash completion for carpctl; made by: carpctl completion bash
_carpctl() {
    local IFS=$'\\n'
    COMPREPLY=($(carpctl completion words "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
    # Files where no word fits.
    [ \${#COMPREPLY[@]} -gt 0 ] || compopt -o default 2>/dev/null
}
complete -F _carpctl carpctl
`;

const zsh = `#compdef carpctl
# zsh completion for carpctl; made by: carpctl completion zsh
_carpctl() {
    local -a found
    local word help
    while IFS=$'\\t' read -r word help; do
        found+=("\${word//:/\\\\:}:$help")
    done < <(carpctl completion words "\${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( \${#found} )); then
        _describe carpctl found
    else
        _files
    fi
}
compdef _carpctl carpctl
`;

const fish = `# fish completion for carpctl; made by: carpctl completion fish
function __carpctl_words
    set -l given (commandline -opc) (commandline -ct)
    carpctl completion words $given[2..-1] 2>/dev/null
end
complete -c carpctl -f -a '(__carpctl_words)'
`;

const scripts: Readonly<Record<CompletionShell, string>> = {bash, zsh, fish};

export function completionScript(shell: CompletionShell): string {
    return scripts[shell];
}
