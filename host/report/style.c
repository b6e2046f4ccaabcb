/* The page around a report: see style.h. One file, nothing loaded from elsewhere; the script only helps pointing, everything can be read
 * without it. The policy in the head forbids the browser to fetch anything at all. */
#include "style.h"

#include "html.h"

#include <string.h>

static const char HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char STYLE[] =
    "<style>\n"
    ":root{--bg:#fbfbfa;--card:#fff;--ink:#1c2126;--soft:#5c666f;--line:#e2e5e8;--grid:#eceef0;--accent:#0b62a8;"
    "--k0:#0b62a8;--k1:#c2500a;--k2:#1d7a4d;--k3:#8a3fa0;--k4:#a8852a;--k5:#0f7f8c;--k6:#b3264c;--k7:#5b6470;--hot:214,69,39}\n"
    "@media (prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;--ink:#e6e9ec;--soft:#a0aab3;--line:#31373d;--grid:#282d32;"
    "--accent:#6db3f2;--k0:#6db3f2;--k1:#f2995c;--k2:#63c78f;--k3:#c893dd;--k4:#d8b95c;--k5:#5cc4cf;--k6:#ee7f9c;--k7:#a8b1ba;--hot:255,104,66}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif}\n"
    "main{max-width:1080px;margin:0 auto;padding:28px 20px 48px}\n"
    "h1{font-size:1.7rem;line-height:1.2;margin:0;overflow-wrap:anywhere}h2{font-size:1.2rem;margin:0 0 .4rem}h3{font-size:1rem;margin:0 0 .5rem}\n"
    "p{margin:.3rem 0 .7rem}.sub{color:var(--soft);margin:.3rem 0 1.2rem;overflow-wrap:anywhere}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:0 0 18px}\n"
    "section>p{color:var(--soft);font-size:.92rem;max-width:98ch}\n"
    ".pill{display:inline-block;font-size:.8rem;font-weight:600;border:1px solid currentColor;border-radius:99px;padding:0 .6em;vertical-align:middle;margin-left:.6em}\n"
    ".finished{color:var(--k2)}.running{color:var(--k0)}.stopped{color:var(--k4)}.failed{color:var(--k6)}\n"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(145px,1fr));gap:12px;margin:0 0 18px;padding:0}\n"
    ".facts div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px 14px}\n"
    ".facts dt{color:var(--soft);font-size:.8rem}.facts dd{margin:0;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums}\n"
    ".facts dd small{display:block;font-size:.78rem;font-weight:400;color:var(--soft)}\n"
    "figure{margin:0}.chart{display:block;width:100%;height:auto;max-width:100%}.narrow{display:none}\n"
    ".three{display:grid;grid-template-columns:repeat(3,1fr);gap:18px}.two{display:grid;grid-template-columns:1fr 1fr;gap:22px}\n"
    ".two>*,.three>*{min-width:0}\n"
    "@media (max-width:700px){main{padding:18px 12px 36px}section{padding:14px 12px}.wide{display:none}.narrow{display:block}.three,.two{grid-template-columns:1fr}h1{font-size:1.4rem}}\n"
    ".chart text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--soft)}.chart .end{text-anchor:end}.chart .middle{text-anchor:middle}\n"
    ".chart .axis-label{font-weight:600}.chart .label{font-weight:600}.chart .axis{fill:none;stroke:var(--soft)}.chart .grid{fill:none;stroke:var(--grid)}\n"
    ".chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}.chart .leader{stroke-width:1;stroke-dasharray:1 4;opacity:.7}.chart .dashed{stroke-dasharray:6 3}\n"
    ".chart .level-line{fill:none;stroke:var(--soft);stroke-dasharray:3 4}.chart .label.level{fill:var(--soft);font-weight:400}\n"
    ".line.k0{stroke:var(--k0)}.line.k1{stroke:var(--k1)}.line.k2{stroke:var(--k2)}.line.k3{stroke:var(--k3)}.line.k4{stroke:var(--k4)}.line.k5{stroke:var(--k5)}.line.k6{stroke:var(--k6)}.line.k7{stroke:var(--k7)}\n"
    ".mark.k0,.chart .label.k0{fill:var(--k0)}.mark.k1,.chart .label.k1{fill:var(--k1)}.mark.k2,.chart .label.k2{fill:var(--k2)}.mark.k3,.chart .label.k3{fill:var(--k3)}"
    ".mark.k4,.chart .label.k4{fill:var(--k4)}.mark.k5,.chart .label.k5{fill:var(--k5)}.mark.k6,.chart .label.k6{fill:var(--k6)}.mark.k7,.chart .label.k7{fill:var(--k7)}\n"
    ".c0{color:var(--k0)}.c1{color:var(--k1)}.c2{color:var(--k2)}.c3{color:var(--k3)}.c4{color:var(--k4)}.c5{color:var(--k5)}.c6{color:var(--k6)}.c7{color:var(--k7)}\n"
    "pre{font:13.5px/1.55 ui-monospace,'SFMono-Regular',Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:0}\n"
    "pre.sample{border-left:3px solid var(--line);padding-left:12px}.samples{display:grid;gap:14px}.samples h3{margin:0 0 .2rem;font-size:.9rem;color:var(--soft);font-weight:600}\n"
    ".stretch{margin:0 0 14px}.stretch figcaption{color:var(--soft);font-size:.85rem;margin-bottom:4px}.stretch pre{line-height:1.75}\n"
    ".u1{background:rgba(var(--hot),.1)}.u2{background:rgba(var(--hot),.2)}.u3{background:rgba(var(--hot),.3)}.u4{background:rgba(var(--hot),.4)}"
    ".u5{background:rgba(var(--hot),.5)}.u6{background:rgba(var(--hot),.6)}.u7{background:rgba(var(--hot),.72)}\n"
    "@media (prefers-color-scheme:dark){.u6{background:rgba(var(--hot),.54)}.u7{background:rgba(var(--hot),.6)}}\n"
    ".legend{font-size:.8rem!important}.legend span{display:inline-block;padding:1px 7px;color:var(--ink)}\n"
    "table{border-collapse:collapse;font-size:.9rem;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}\n"
    "th{color:var(--soft);font-weight:600}td{overflow-wrap:anywhere}.scroll{overflow-x:auto}figure+.scroll{margin-top:12px}.scroll th{white-space:nowrap}.scroll td{overflow-wrap:normal;white-space:nowrap}\n"
    ".settings{columns:2;column-gap:28px}.settings table{break-inside:auto}@media (max-width:700px){.settings{columns:1}}\n"
    "tr.changed td:last-child{font-weight:600}tr.same td{color:var(--soft)}code{font:.92em ui-monospace,Menlo,Consolas,monospace}\n"
    ".note{color:var(--soft);border-left:3px solid var(--k4);padding-left:10px;overflow-wrap:anywhere}footer{color:var(--soft);font-size:.85rem}\n"
    "#tip{position:fixed;pointer-events:none;background:var(--card);border:1px solid var(--soft);border-radius:6px;padding:3px 8px;font-size:.8rem;white-space:pre;display:none;z-index:2}\n"
    "@media print{section{break-inside:avoid}}\n"
    "</style>\n";

/* Pointing at a chart shows the values of the nearest points; axes come from data-x and data-y: low, high, log, from, to. */
static const char SCRIPT[] =
    "<div id=\"tip\" role=\"status\"></div>\n<script>\n"
    "(function(){var tip=document.getElementById('tip');\n"
    "function axis(t){var a=t.split(',').map(Number);return function(p){var s=(p-a[3])/(a[4]-a[3]);return a[2]?a[0]*Math.pow(a[1]/a[0],s):a[0]+s*(a[1]-a[0])}}\n"
    "function show(v){return Math.abs(v)>=1000?Math.round(v).toLocaleString('en'):+v.toPrecision(4)}\n"
    "document.querySelectorAll('svg.chart').forEach(function(svg){var fx=axis(svg.dataset.x),fy=axis(svg.dataset.y);\n"
    "var names=Array.prototype.slice.call(svg.querySelectorAll('.label:not(.level)'));\n"
    "var lines=Array.prototype.map.call(svg.querySelectorAll('path.line:not(.leader)'),function(p){var k=(p.getAttribute('class').match(/k\\d/)||[''])[0];\n"
    "var n=names.filter(function(t){return t.classList.contains(k)})[0];return{name:n?n.textContent:'',at:p.getAttribute('d').split(/[ML]/).slice(1).map(function(s){return s.split(' ').map(Number)})}});\n"
    "svg.addEventListener('pointermove',function(e){var r=svg.getBoundingClientRect(),x=(e.clientX-r.left)*svg.viewBox.baseVal.width/r.width,text='',best=null;\n"
    "lines.forEach(function(l){var near=null;l.at.forEach(function(q){if(!near||Math.abs(q[0]-x)<Math.abs(near[0]-x))near=q});\n"
    "if(near&&Math.abs(near[0]-x)<24){if(!best||Math.abs(near[0]-x)<Math.abs(best-x))best=near[0];text+='\\n'+(l.name||'')+(l.name?': ':'')+show(fy(near[1]))}});\n"
    "if(best===null){tip.style.display='none';return}tip.textContent=show(fx(best))+text;tip.style.display='block';\n"
    "tip.style.left=Math.min(e.clientX+14,innerWidth-tip.offsetWidth-8)+'px';tip.style.top=(e.clientY+14)+'px'});\n"
    "svg.addEventListener('pointerleave',function(){tip.style.display='none'})})})();\n"
    "</script>\n";

static void append(px_text *out, const char *text)
{
    px_text_append(out, text, strlen(text));
}

void px_page_begin(px_text *out, const char *title)
{
    append(out, HEAD);
    append(out, "<title>");
    px_html_string(out, title);
    append(out, "</title>\n");
    append(out, STYLE);
    append(out, "</head>\n<body>\n<main>\n");
}

void px_page_end(px_text *out)
{
    append(out, "</main>\n");
    append(out, SCRIPT);
    append(out, "</body>\n</html>\n");
}
