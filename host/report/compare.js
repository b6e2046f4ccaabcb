(function () {
  // Several runs on one page: the ranking is sorted by a click on a title, and a box in its row hides a run's curves and sample.
  // Without this script the page has neither buttons nor boxes.
  var table = document.querySelector('table.runs'), body = table.tBodies[0];
  var titles = table.tHead.rows[0].cells;
  document.body.classList.add('has-script');

  function key(row, column) {
    var cell = row.cells[column], number = cell.dataset.sort;
    return number === undefined ? cell.textContent : number === '' ? null : Number(number);
  }
  // What a run has not comes last, in both directions.
  function sortBy(column) {
    var title = titles[column], down = title.getAttribute('aria-sort') === 'ascending';
    var rows = Array.prototype.slice.call(body.rows);
    rows.sort(function (a, b) {
      var x = key(a, column), y = key(b, column);
      if (x === null || y === null) return (x === null) - (y === null);
      var order = typeof x === 'string' ? x.localeCompare(y) : x - y;
      return down ? -order : order;
    });
    rows.forEach(function (row) { body.appendChild(row); });
    for (var i = 0; i < titles.length; i++) titles[i].removeAttribute('aria-sort');
    title.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  }
  function addButton(title, column) {
    var button = document.createElement('button');
    button.type = 'button';
    button.textContent = title.textContent || '#';
    title.textContent = '';
    title.appendChild(button);
    button.addEventListener('click', function () { sortBy(column); });
  }

  function show(row, shown) {
    row.classList.toggle('dim', !shown);
    document.querySelectorAll('.' + row.dataset.group).forEach(function (part) { part.classList.toggle('off', !shown); });
  }
  function addBox(cell, label, toggle) {
    var box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = true;
    box.setAttribute('aria-label', label);
    box.addEventListener('change', function () { toggle(box.checked); });
    cell.insertBefore(box, cell.firstChild);
    return box;
  }

  for (var i = 0; i < titles.length; i++) addButton(titles[i], i);
  var boxes = Array.prototype.map.call(body.rows, function (row) {
    return addBox(row.cells[0], 'show ' + row.cells[1].textContent, function (shown) { show(row, shown); });
  });
  var all = addBox(titles[0], 'show all runs', function (shown) {
    boxes.forEach(function (box) { if (box.checked !== shown) box.click(); });
  });
  body.addEventListener('change', function () {
    all.checked = boxes.every(function (box) { return box.checked; });
    all.indeterminate = !all.checked && boxes.some(function (box) { return box.checked; });
  });
})();
