# Makes manual pages of msgr.h: msgr(7) of its first comment, a page of section 3 for each of its sections, and for each
# function one that leads to its section's.
#
#     awk -v version=0.1.0 -v out=DIR -f packaging/man.awk include/msgr.h
#
# They are made when they are installed and not committed: the header is committed already, and a second copy of every
# comment could only differ from it. Any awk will do.

BEGIN {
    # Sections whose title makes no good name.
    name["Context: options and worker threads"] = "msgr_ctx"
    name["Handles"] = "msgr_handles"
    name["Errors"] = "msgr_errors"
    name["Connection"] = "msgr_conn"
    name["Message"] = "msgr_msg"
    name["Authentication by the program"] = "msgr_auth"
    name["Its answers"] = "msgr_auth_reply"
    name["Keys and tickets"] = "msgr_keys"
    name["Who the peer is"] = "msgr_identity"
    pages = 0
}

# The comment at the top of the file.
NR == 1, /^ \*\// {
    if (NR == 1) next
    if ($0 ~ /^ \*\//) next
    overview[++overviews] = comment_text($0)
    next
}

/^\/\* .* -+ \*\/$/ {
    title = $0
    sub(/^\/\* /, "", title)
    sub(/ -+ \*\/$/, "", title)
    page = title in name ? name[title] : slug(title)
    titles[++pages] = title
    slugs[pages] = page
    next
}

# What precedes the first section is for the compiler, and so is what follows the last.
pages == 0 || /^#(ifdef|ifndef|endif|include)/ || /^extern "C"/ { next }
/^}$/ && depth == 0 { next }

depth == 0 && /^\/\*\*/ {
    if (comment_ended) finish()
    line = $0
    in_comment = 1
    sub(/^\/\*\* ?/, "", line)
    if (line ~ /\*\/$/) {
        sub(/ *\*\/$/, "", line)
        in_comment = 0
        comment_ended = 1
    }
    doc = line == "" ? "" : line "\n"
    next
}
in_comment {
    if ($0 ~ /^ *\*\//) { in_comment = 0; comment_ended = 1 }
    else doc = doc comment_text($0) "\n"
    next
}
# A declaration, up to the semicolon, the closing brace or the end of a macro that ends it.
$0 != "" {
    code = code $0 "\n"
    depth += gsub(/{/, "{") - gsub(/}/, "}")
    macro = code ~ /^#define/
    if (depth == 0 && (macro ? $0 !~ /\\$/ : $0 ~ /;$/)) finish()
}

END {
    if (pages > 0) finish()
    for (i = 1; i <= pages; i++) write_page(i)
    write_overview()
}

function comment_text(line) { sub(/^ \* ?/, "", line); return line }

function slug(title) {
    sub(/:.*/, "", title)
    title = tolower(title)
    gsub(/[^a-z0-9]+/, "_", title)
    return "msgr_" title
}

function finish(   called) {
    if (code == "") { comment_ended = 0; return }
    called = code
    if (code ~ /^#define/) { sub(/^#define /, "", called); sub(/[ (\n].*/, "", called) }
    else if (code ~ /^typedef/ && code ~ /{/) { sub(/ *{.*/, "", called); sub(/.* /, "", called) }
    else if (code ~ /^typedef/ && code !~ /\(\*/) { sub(/;.*/, "", called); sub(/.*[ *]/, "", called) }
    else { sub(/\(.*/, "", called); sub(/.*[ *]/, "", called) }
    if (code !~ /^(typedef|#define)/) functions[pages] = functions[pages] called " "
    items[pages]++
    item_name[pages, items[pages]] = called
    item_code[pages, items[pages]] = code
    item_doc[pages, items[pages]] = doc
    code = doc = ""
    comment_ended = depth = 0
}

function escape(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.']/) text = "\\&" text
    return text
}

# Text between backticks is bold.
function inline(text,   parts, count, i, made) {
    count = split(text, parts, "`")
    for (i = 1; i <= count; i++) made = made (i % 2 ? escape(parts[i]) : "\\fB" escape(parts[i]) "\\fR")
    return made ~ /^[.']/ ? "\\&" made : made
}

# Paragraphs, lists and, where a line is indented by four, text that stays as it is.
function write_text(text, file,   lines, count, i, line, mode) {
    count = split(text, lines, "\n")
    mode = "fresh"
    for (i = 1; i <= count; i++) {
        line = lines[i]
        if (line ~ /^    / && mode != "list") {
            if (mode != "code") print ".PP\n.RS 4\n.nf" >file
            mode = "code"
            print escape(substr(line, 5)) >file
            continue
        }
        if (mode == "code") print ".fi\n.RE" >file
        if (line ~ /^[*-] /) {
            print ".IP \\(bu 2" >file
            line = substr(line, 3)
            mode = "list"
        } else if (line == "") {
            mode = "ended"
            continue
        } else if (mode == "ended" || mode == "code") {
            print ".PP" >file
            mode = "text"
        } else if (mode == "fresh") mode = "text"
        sub(/^ +/, "", line)
        # A word may be left open at the end of a line.
        if (gsub(/`/, "`", line) % 2) {
            lines[i + 1] = line " " trimmed(lines[i + 1])
            continue
        }
        print inline(line) >file
    }
    if (mode == "code") print ".fi\n.RE" >file
}
function trimmed(line) { sub(/^ +/, "", line); return line }

function write_code(text, file,   lines, count, i) {
    print ".PP\n.nf" >file
    count = split(text, lines, "\n")
    for (i = 1; i < count; i++) {
        gsub(/`/, "", lines[i])
        print escape(lines[i]) >file
    }
    print ".fi" >file
}

function heading(page, section, what, file) {
    print ".\\\" Made from msgr.h." >file
    printf ".TH %s %s \"\" \"msgr %s\" \"msgr\"\n.SH NAME\n%s \\- %s\n", toupper(page), section, version, page, what >file
}

function write_page(i,   file, j, list, count) {
    file = out "/man3/" slugs[i] ".3"
    heading(slugs[i], 3, escape(tolower(substr(titles[i], 1, 1)) substr(titles[i], 2)), file)
    print ".SH SYNOPSIS\n.nf\n.B #include <msgr.h>\n.fi" >file
    for (j = 1; j <= items[i]; j++)
        if (item_code[i, j] !~ /{\n/) write_code(item_code[i, j], file)
    print ".SH DESCRIPTION" >file
    for (j = 1; j <= items[i]; j++) {
        print ".SS " escape(item_name[i, j]) >file
        write_text(item_doc[i, j], file)
        if (item_code[i, j] ~ /{\n/) write_code(item_code[i, j], file)
    }
    print ".SH SEE ALSO\n.BR msgr (7)" >file
    close(file)
    count = split(functions[i], list, " ")
    for (j = 1; j <= count; j++) {
        if (list[j] == slugs[i]) continue
        file = out "/man3/" list[j] ".3"
        print ".so man3/" slugs[i] ".3" >file
        close(file)
    }
}

function write_overview(   file, i, j, count, list, text) {
    file = out "/man7/msgr.7"
    heading("msgr", 7, "Ceph\\(aqs asynchronous messenger as a library", file)
    print ".SH SYNOPSIS\n.nf\n.B #include <msgr.h>\n.PP\n.B cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs msgr)\n.fi\n.SH DESCRIPTION" >file
    for (i = 1; i <= overviews; i++) text = text overview[i] "\n"
    sub(/^[^\n]*\n\nConventions\n\n/, "", text)
    write_text(text, file)
    print ".SH PAGES" >file
    for (i = 1; i <= pages; i++) {
        printf ".TP\n.BR %s (3)\n", slugs[i] >file
        count = split(functions[i], list, " ")
        print escape(titles[i]) (count ? ":" : ".") >file
        for (j = 1; j <= count; j++) print escape(list[j]) (j < count ? "," : ".") >file
    }
    close(file)
}
