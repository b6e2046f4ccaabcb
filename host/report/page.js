(function(){var tip=document.getElementById('tip');
function axis(t){var a=t.split(',').map(Number);return function(p){var s=(p-a[3])/(a[4]-a[3]);return a[2]?a[0]*Math.pow(a[1]/a[0],s):a[0]+s*(a[1]-a[0])}}
function show(v){return Math.abs(v)>=1000?Math.round(v).toLocaleString('en'):+v.toPrecision(4)}
document.querySelectorAll('svg.chart').forEach(function(svg){var fx=axis(svg.dataset.x),fy=axis(svg.dataset.y);
var names=Array.prototype.slice.call(svg.querySelectorAll('.label:not(.level)'));
var lines=Array.prototype.map.call(svg.querySelectorAll('path.line:not(.leader)'),function(p){var c=p.getAttribute('class'),k=(c.match(/g\d+/)||c.match(/k\d/)||[''])[0];
var n=names.filter(function(t){return t.classList.contains(k)})[0];return{path:p,name:n?n.textContent:'',at:p.getAttribute('d').split(/[ML]/).slice(1).map(function(s){return s.split(' ').map(Number)})}});
svg.addEventListener('pointermove',function(e){var r=svg.getBoundingClientRect(),x=(e.clientX-r.left)*svg.viewBox.baseVal.width/r.width,text='',best=null;
lines.forEach(function(l){if(l.path.classList.contains('off'))return;var near=null;l.at.forEach(function(q){if(!near||Math.abs(q[0]-x)<Math.abs(near[0]-x))near=q});
if(near&&Math.abs(near[0]-x)<24){if(!best||Math.abs(near[0]-x)<Math.abs(best-x))best=near[0];text+='\n'+(l.name||'')+(l.name?': ':'')+show(fy(near[1]))}});
if(best===null){tip.style.display='none';return}tip.textContent=show(fx(best))+text;tip.style.display='block';
tip.style.left=Math.min(e.clientX+14,innerWidth-tip.offsetWidth-8)+'px';tip.style.top=(e.clientY+14)+'px'});
svg.addEventListener('pointerleave',function(){tip.style.display='none'})})})();
